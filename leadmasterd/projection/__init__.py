"""Leads derived from stored messages: read a contact's history, classify, fold, write what differs."""
