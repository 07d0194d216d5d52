"""Reports: a frozen document about a day, week, month, any period or session, and its printers."""
