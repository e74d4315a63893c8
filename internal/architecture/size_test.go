package architecture

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

const (
	mostLinesOfAFunction = 120
	mostLinesOfAFile     = 400
)

// A function reads in one screen as a rule; past this limit it is an error. Tables in tests may be long.
func TestFunctionsAndFilesStayReadable(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && path != root && (strings.HasPrefix(entry.Name(), ".") || entry.Name() == "testdata") {
			return fs.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, path, nil, 0)
		if err != nil {
			return err
		}
		if lines := files.Position(file.FileEnd).Line; lines > mostLinesOfAFile {
			t.Errorf("%s has %d lines: more than %d", path, lines, mostLinesOfAFile)
		}
		ast.Inspect(file, func(node ast.Node) bool {
			if f, ok := node.(*ast.FuncDecl); ok {
				if lines := files.Position(f.End()).Line - files.Position(f.Pos()).Line + 1; lines > mostLinesOfAFunction {
					t.Errorf("%s: %s has %d lines: more than %d", path, f.Name.Name, lines, mostLinesOfAFunction)
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
