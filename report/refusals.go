package report

// refusalTexts explains every code of repair's refusals; docs/reasons.md is this table too.
var refusalTexts = map[string]reasonText{
	"replica_unverified":     {"the replica could not be compared, or its applier not be held, so nothing is known that could be made equal", "see the reason; then repair again"},
	"cluster_member":         {"a member of a Galera cluster or of a replication group is not repaired by itself: its cluster would overrule it, or break", "let the cluster rebuild the member (a state transfer, CLONE)"},
	"applier_not_held":       {"with `--sync lock`, `recheck` or `none` the replica's applier does not stand while rows are changed, and what it applies meanwhile could be overwritten", "repair with `--sync until`"},
	"missing_privilege":      {"the account may not write what it would have to", "run the GRANT that the reason names"},
	"super_read_only":        {"`super_read_only` is on, so that nobody can write; trueup does not switch it off, since being killed it would leave it off", "set it to OFF on the replica, repair, and set it to ON again"},
	"has_replicas":           {"other servers replicate from the replica, and what is repaired on it does not flow down to them", "name them with `--replica` too, so that each is repaired; or leave them as they are with `--leave-downstream`"},
	"max_rows":               {"more rows differ than `--max-rows` allows", "find out why so many differ; rebuild the replica, or allow more"},
	"table_missing":          {"the table is on the source only", "run the DDL that the plan shows, or let `--with-schema` create and fill it"},
	"table_extra":            {"the table is on the replica only", "where nobody needs it, empty it; `--with-schema` drops it then"},
	"definition_differs":     {"the definitions differ, so that a row of one side need not fit the other", "make the definitions equal (see the schema differences), then repair again"},
	"triggers":               {"the replica's table has triggers: a repair would fire them, though replicated rows do not", "drop them there for the time of the repair, or repair the rows by hand"},
	"table_kind":             {"the table keeps a history of its own, into which a repair would write", "repair it by hand, or rebuild the replica"},
	"other_source":           {"the replica has another channel whose filters let the table through: rows that this source does not have may be of that one", "where they are not, name the table with `--tables`; or let the other channel's filters leave it out"},
	"foreign_key":            {"a row would be left without its parent, or others would be deleted or changed along", "repair the tables that the reason names as well, or run the GRANT that it names"},
	"unique_key":             {"another row holds the value of a unique key, and it cannot be moved out of the way", "see which row the reason names"},
	"value_not_writable":     {"no statement writes a value of the row exactly as it is on the source", "see the column that the reason names; rebuild the replica where it matters"},
	"rows_keep_changing":     {"rows changed between reading and locking them, each time: somebody else writes them on the replica", "find out who writes to the replica; then repair again"},
	"max_pause":              {"even the smallest group of rows takes longer than the applier may stand", "raise `--max-pause`"},
	"write_failed":           {"the server refused a statement, and the group was rolled back", "see the error that the reason quotes"},
	"not_statement_format":   {"`--via source` works only where every server that executes the source's log is part of the run and executes it as statements, and where the table differs on one replica only", "repair without `--via source`"},
	"not_equal_after_repair": {"the rows were not equal to the source's after the change, so it was rolled back", "repair again; if it stays so, please report it"},
}
