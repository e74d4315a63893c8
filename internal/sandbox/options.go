package sandbox

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Options describe a server to start. The zero value is a server with a binary log in row format.
type Options struct {
	// Name appears in messages. Default "server".
	Name string
	// ServerID is @@server_id. 0: the port, which no other server on this machine has.
	ServerID uint32
	// NoBinlog starts without a binary log.
	NoBinlog bool
	// BinlogFormat is ROW (default), MIXED or STATEMENT.
	BinlogFormat string
	// GTIDDomain is @@gtid_domain_id.
	GTIDDomain uint32
	// ParallelThreads is @@slave_parallel_threads; 0 applies in one thread.
	ParallelThreads int
	// Args follow all other arguments of mariadbd and so override them, for example "--read-only=1".
	Args []string
	// Env is added to the program's environment; not where it runs in a container.
	Env map[string]string
	// Runtime is what to run; nil: what Find finds.
	Runtime *Runtime
	// ParentDir is where the server's folder is made. "": the system's temporary folder.
	ParentDir string
}

func (o Options) withDefaults() (Options, error) {
	if o.Name == "" {
		o.Name = "server"
	}
	if o.BinlogFormat == "" {
		o.BinlogFormat = "ROW"
	}
	o.BinlogFormat = strings.ToUpper(o.BinlogFormat)
	switch o.BinlogFormat {
	case "ROW", "MIXED", "STATEMENT":
	default:
		return o, fmt.Errorf("binary log format %q: it is ROW, MIXED or STATEMENT", o.BinlogFormat)
	}
	o.Args = append([]string(nil), o.Args...)
	return o, nil
}

// serverArgs is the command line of mariadbd: --no-defaults first, as it must be, the caller's own last.
func (i *Instance) serverArgs() []string {
	data, id := i.folder.data(), i.options.ServerID
	if id == 0 {
		id = uint32(i.port)
	}
	args := []string{
		"--no-defaults", "--datadir=" + data, "--socket=" + i.folder.socket(),
		"--tmpdir=" + filepath.Join(i.folder.path, "tmp"), "--pid-file=" + filepath.Join(i.folder.path, "pid"),
		fmt.Sprint("--port=", i.port), "--bind-address=127.0.0.1", "--skip-name-resolve",
		fmt.Sprint("--server-id=", id), fmt.Sprint("--gtid-domain-id=", i.options.GTIDDomain),
		"--report-host=127.0.0.1", fmt.Sprint("--report-port=", i.port),
		"--relay-log=relay", "--slave-net-timeout=10", fmt.Sprint("--slave-parallel-threads=", i.options.ParallelThreads),
		"--character-set-server=utf8mb4", "--performance-schema=OFF",
		// Small memory: many servers run at once.
		"--innodb-buffer-pool-size=48M", "--innodb-log-file-size=" + redoLogSize, "--innodb-log-buffer-size=4M",
		"--key-buffer-size=1M", "--aria-pagecache-buffer-size=8M", "--max-connections=100", "--query-cache-size=0",
		// Written to the system at each commit but never synced: fast, and a kill of the server loses nothing.
		"--innodb-flush-log-at-trx-commit=2", "--sync-binlog=0", "--innodb-doublewrite=0",
		// The system-wide limit of native asynchronous requests is small and shared by all servers.
		"--innodb-use-native-aio=0",
	}
	if !i.options.NoBinlog {
		args = append(args, "--log-bin=binlog", "--log-slave-updates=1", "--binlog-format="+i.options.BinlogFormat)
	}
	if i.runtime.baseDir != "" {
		args = append(args, "--basedir="+i.runtime.baseDir)
	}
	if os.Getuid() == 0 {
		args = append(args, "--user=root")
	}
	if i.initFile != "" {
		args = append(args, "--init-file="+i.initFile)
	}
	return append(args, i.options.Args...)
}
