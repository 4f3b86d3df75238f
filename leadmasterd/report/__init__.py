"""The report of a period as people see it: its words, and pictures that need no script.

The pictures are SVG and tables made here, whole without any style sheet, so that they are right under the page's
policy, in a file and in a mail; `report.css` is what the page and the file add to them.
"""
