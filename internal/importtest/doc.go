// Package importtest holds the tests that keep the rooms of the architecture apart: which package may import which, and
// what only one of them may touch. They read the source and build nothing. The rooms are listed in rooms_test.go, the
// single owners in owners_test.go; every entry says why.
package importtest
