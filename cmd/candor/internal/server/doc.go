// Package server wires a gateway together: the commands candor serve and candor init, and [Run], which starts the whole
// program from a configuration file, in a process of its own or in a test.
package server
