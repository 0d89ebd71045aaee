"""What each transition of the table does. Pure: a step returns a decision and changes nothing."""
