"""Files of texts: read record by record, answered in order, gone on with where they stopped."""
