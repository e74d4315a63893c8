package integration

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// RunClient runs a script by the real mysql or mariadb client, as a person would; the error holds what the client says.
func (n *Node) RunClient(t testing.TB, ctx context.Context, script string) error {
	t.Helper()
	// Some images hold no client; that of this machine then logs in to their old servers.
	if !n.Row.Local() && n.container(t).run(ctx, "sh", "-c", "command -v mysql || command -v mariadb") == nil {
		return n.container(t).runClient(ctx, script)
	}
	path := filepath.Join(t.TempDir(), "login.cnf")
	login := n.AdminEndpoint()
	if err := os.WriteFile(path, fmt.Appendf(nil, "[client]\nuser=%s\npassword=\"%s\"\n", login.User, string(login.Password)), 0o600); err != nil {
		return err
	}
	name := "mariadb"
	if _, err := exec.LookPath(name); err != nil {
		name = "mysql"
	}
	client := exec.CommandContext(ctx, name, "--defaults-file="+path, "--host=127.0.0.1", fmt.Sprint("--port=", n.Port()))
	client.Stdin = strings.NewReader(script)
	if out, err := client.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, out)
	}
	return nil
}

// runClient runs a script by the client that came with the server.
func (c *containerServer) runClient(ctx context.Context, script string) error {
	const path = "/trueup/script.sql"
	if err := c.box.CopyToContainer(ctx, []byte(script), path, 0o644); err != nil {
		return err
	}
	return c.run(ctx, "sh", "-c", fmt.Sprintf("$(command -v mysql || command -v mariadb) --no-defaults --host=127.0.0.1 --port=%d --user=%s --password=%s < %s 2>&1", c.port, adminUser, adminPassword, path))
}
