"""Leads and conversations as tables: csv and JSON lines for programs, a spreadsheet or Excel's csv for people."""
