package schema

// kinds maps information_schema DATA_TYPE, lower case, to a Kind. Synonyms (integer, boolean, numeric, nchar, long
// varchar, char byte …) never reach information_schema; the server replaces them.
var kinds = map[string]Kind{
	"tinyint": KindInteger, "smallint": KindInteger, "mediumint": KindInteger, "int": KindInteger, "bigint": KindInteger,
	"year":    KindYear,
	"decimal": KindDecimal, "float": KindFloat, "double": KindDouble, "bit": KindBit,
	"char": KindText, "varchar": KindText,
	"tinytext": KindText, "text": KindText, "mediumtext": KindText, "longtext": KindText,
	"binary": KindBinary, "varbinary": KindBinary,
	"tinyblob": KindBinary, "blob": KindBinary, "mediumblob": KindBinary, "longblob": KindBinary,
	"enum": KindEnum, "set": KindSet,
	"date": KindDate, "time": KindTime, "datetime": KindDateTime, "timestamp": KindTimestamp,
	"json":     KindJSON,
	"geometry": KindGeometry, "point": KindGeometry, "linestring": KindGeometry, "polygon": KindGeometry,
	"multipoint": KindGeometry, "multilinestring": KindGeometry, "multipolygon": KindGeometry,
	"geometrycollection": KindGeometry, "geomcollection": KindGeometry, // MySQL 8 prints geomcollection
	"uuid": KindUUID, "inet4": KindInet, "inet6": KindInet, "vector": KindVector,
}

// kindOf returns the Kind of a DATA_TYPE in lower case; KindUnknown for a type this version does not know
// (a plugin's).
func kindOf(dataType string) Kind { return kinds[dataType] }

var kindNames = [...]string{
	KindUnknown: "an unknown type", KindInteger: "an integer", KindYear: "YEAR", KindDecimal: "DECIMAL",
	KindFloat: "FLOAT", KindDouble: "DOUBLE", KindBit: "BIT", KindText: "text", KindBinary: "binary",
	KindEnum: "ENUM", KindSet: "SET", KindDate: "DATE", KindTime: "TIME", KindDateTime: "DATETIME",
	KindTimestamp: "TIMESTAMP", KindJSON: "JSON", KindGeometry: "a spatial type", KindUUID: "UUID",
	KindInet: "INET", KindVector: "VECTOR", KindJSONValue: "JSON",
}

// String is the kind in words, for messages.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "an unknown type"
}

// String is the kind of table in words, for messages.
func (k TableKind) String() string {
	switch k {
	case SystemVersioned:
		return "system-versioned table"
	case View:
		return "view"
	case Sequence:
		return "sequence"
	default:
		return "table"
	}
}
