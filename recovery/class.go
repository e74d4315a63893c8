package recovery

import "fmt"

// Class is what kind of error stopped a channel, which decides the ways out.
type Class string

// The classes.
const (
	ClassDuplicate Class = "duplicate_key"  // a row is there that must not be
	ClassMissing   Class = "missing_row"    // a row is not there, or not as it must be
	ClassParent    Class = "parent_missing" // a foreign key's parent row is not there
	ClassChild     Class = "child_exists"   // a foreign key's child rows are there that must not be
	ClassXA        Class = "xa"             // the first half of an XA transaction is not there
	ClassLock      Class = "lock"           // somebody on the replica held a lock
	ClassWorkers   Class = "workers"        // parallel workers stopped, and the replica does not say why, nor at which transaction
	ClassSchema    Class = "schema"         // the replica's definitions are not the source's
	ClassSignal    Class = "signal"         // a trigger or a routine on the replica refused the change
	ClassResource  Class = "resource"       // disk full, table crashed, read-only: the server needs a person first
	ClassRelayLog  Class = "relay_log"      // the relay log cannot be read
	ClassDomains   Class = "gtid_state"     // the replica's GTID position does not fit its data or its source
	ClassReceiver  Class = "receiver"       // the source's log does not arrive
	ClassUnknown   Class = "unknown"        // never offered a skip
	ClassNone      Class = ""               // no error
)

// classes are the error numbers of appliers. MySQL numbers errors that only a log receives from 10000 on since 8.0 (MySQL manual,
// "Server Error Message Reference"): 13146 is what used to be 1677, 13121 is 1594.
var classes = map[int]Class{
	1062: ClassDuplicate, 1022: ClassDuplicate, 1169: ClassDuplicate, 1586: ClassDuplicate,
	1032: ClassMissing,
	1216: ClassParent, 1452: ClassParent,
	1217: ClassChild, 1451: ClassChild,
	1397: ClassXA,
	1205: ClassLock, 1213: ClassLock, 1614: ClassLock,
	1756: ClassWorkers,
	1007: ClassSchema, 1008: ClassSchema, 1049: ClassSchema, 1050: ClassSchema, 1051: ClassSchema, 1054: ClassSchema, 1060: ClassSchema, 1061: ClassSchema,
	1072: ClassSchema, 1091: ClassSchema, 1109: ClassSchema, 1136: ClassSchema, 1146: ClassSchema, 1304: ClassSchema, 1305: ClassSchema, 1359: ClassSchema, 1360: ClassSchema,
	1396: ClassSchema, 1406: ClassSchema, 1264: ClassSchema, 1366: ClassSchema, 1364: ClassSchema, 1048: ClassSchema, 1535: ClassSchema, 1677: ClassSchema, 13146: ClassSchema, 3819: ClassSchema, 4025: ClassSchema,
	1644: ClassSignal,
	1021: ClassResource, 1114: ClassResource, 1030: ClassResource, 1036: ClassResource, 1037: ClassResource, 1041: ClassResource, 1194: ClassResource, 1195: ClassResource, 1290: ClassResource, 1197: ClassResource,
	1153: ClassResource, 1142: ClassResource, 1044: ClassResource, 1227: ClassResource,
	1594: ClassRelayLog, 1595: ClassRelayLog, 1593: ClassRelayLog, 13121: ClassRelayLog, 13122: ClassRelayLog, 1610: ClassRelayLog,
	1950: ClassDomains, 1837: ClassDomains,
}

// classOf classifies the error of an applier.
func classOf(number int) Class {
	if number == 0 {
		return ClassNone
	}
	if class, known := classes[number]; known {
		return class
	}
	return ClassUnknown
}

// mayRetry tells whether an applier may do better when it is started again, with nothing changed by trueup.
func (c Class) mayRetry() bool {
	return c != ClassRelayLog && c != ClassDomains && c != ClassReceiver && c != ClassNone
}

// passesByItself tells whether the cause is mostly gone by the time that anybody looks, with nothing wrong with the data.
func (c Class) passesByItself() bool { return c == ClassLock || c == ClassWorkers }

// maySkip tells whether passing over the transaction can be sound, with a repair of its rows afterwards.
func (c Class) maySkip() bool {
	return c == ClassDuplicate || c == ClassMissing || c == ClassParent || c == ClassChild || c == ClassSchema || c == ClassLock || c == ClassXA
}

// isAboutRows tells whether rows of the replica are not as the transaction needs them.
func (c Class) isAboutRows() bool {
	return c == ClassDuplicate || c == ClassMissing || c == ClassParent || c == ClassChild
}

// isForAPerson tells whether a person has to mend the cause first, which no replica has to be made anew for.
func (c Class) isForAPerson() bool {
	return c == ClassSchema || c == ClassResource || c == ClassSignal || c == ClassUnknown
}

// receiverAdvice is what to do about the errors of a receiver, which no statement of ours can mend.
func receiverAdvice(number int, source string) (why string, advice []string) {
	switch number {
	case 1236, 13114:
		return "the source cannot send the log from where the replica is: it has purged it, or it was reset, or the replica is ahead of it",
			[]string{"Never skip here: what the purged log held would be lost without a trace.",
				"If another server still has the log (a replica with log_replica_updates that is as far, an archive of binary logs), point the replica at it, or feed it the missing files.",
				"Else rebuild the replica from a backup of the source, and look at binlog_expire_logs_seconds (expire_logs_days)."}
	case 2003, 2005, 2002, 2013, 2006, 2026:
		return fmt.Sprintf("the receiver cannot connect to the source %s", source),
			[]string{"Look whether the source runs, whether its address and port in the channel's settings are right, and whether a firewall or TLS stands between them.",
				"The receiver tries again by itself (MASTER_CONNECT_RETRY, SOURCE_CONNECT_RETRY); nothing is lost meanwhile, as long as the source keeps its logs."}
	case 1045, 1044, 1130, 1698, 1820, 1862, 2061, 2059, 1227:
		return fmt.Sprintf("the source %s does not let the replication account in", source),
			[]string{"Look at the account, its password, its host pattern, and its privilege REPLICATION SLAVE on the source; set them in the channel with CHANGE MASTER TO / CHANGE REPLICATION SOURCE TO.",
				"caching_sha2_password wants TLS, or GET_SOURCE_PUBLIC_KEY=1."}
	case 1593, 13117:
		return "the source and the replica cannot work together as they are configured (the same server_id or server_uuid, an unsupported version or setting)",
			[]string{"Read the error's text: give each server an id of its own (and remove auto.cnf from a copied data folder, so that MySQL makes a new server_uuid)."}
	case 1595, 13122, 1594, 13121:
		return "the relay log cannot be written or read", []string{"Look at the replica's disk and error log. Then have the relay log fetched anew: see the option to rebuild it."}
	}
	return "the receiver was stopped by an error that trueup does not know", []string{"Read its text, and the replica's error log. Nothing of it calls for a skip: the receiver executes nothing."}
}
