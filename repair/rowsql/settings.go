package rowsql

// strictModes is the sql_mode that the statements are written for, and laxModes that of statements that are Lax.
const (
	laxModes    = "ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO,NO_ENGINE_SUBSTITUTION"
	strictModes = "STRICT_ALL_TABLES," + laxModes
)

// Strict and Lax are statements that give a session the sql_mode for statements as the package writes them, and for those that are Lax.
const (
	Strict = "SET SESSION sql_mode = '" + strictModes + "'"
	Lax    = "SET SESSION sql_mode = '" + laxModes + "'"
)
