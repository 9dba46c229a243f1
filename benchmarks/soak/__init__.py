"""The soak: the whole system under mixed calls for half an hour, of which a part is lost each minute."""
