// Package chunker splits a table into ranges of a unique key that together cover every possible key.
//
// A Range is half open, (Lower, Upper], and the first and last one of a table are infinite, so that rows beyond
// either end of the source's rows are seen on a replica too. Bounds are typed values bound as parameters of
// prepared statements; Condition writes the SQL, with the casts without which a server compares a bound as another
// type than the column's (a DECIMAL as DOUBLE, a latin1 text as utf8mb4) and loses or doubles rows at the edge.
//
// A Splitter walks a key in the server's own order and asks for every n-th row; a Sizer sets n from how long the
// chunks before took. Coverage proves afterwards that the verified ranges join without gap or overlap.
//
// How it fails: a key value that does not survive the way to the server and back as a bound (invalid UTF-8 in a
// utf8 column) is never used as one; the splitter moves on to the next row.
package chunker
