"""The report of a period as people see it: sentences, tables and pictures as HTML, without scripts.

The figures come from `queries.report`. Tables and pictures (SVG) are complete without a style sheet, so that they look
right under the page's Content-Security-Policy, in a file and in a mail. The page and the file add `report.css`.
"""
