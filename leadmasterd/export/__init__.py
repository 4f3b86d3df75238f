"""Leads and conversations as tables: csv and JSON lines for programs, a spreadsheet or Excel's csv for people.

What is in a row comes from `queries`; where the output goes is left to the command and the page.
"""
