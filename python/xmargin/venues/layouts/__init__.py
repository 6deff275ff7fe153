"""Tables of where the fields of accounts lie, one file a program."""
