// Package soak holds Candor's ten promises as tests of the whole: the real program in processes of its own, real sockets, a real store,
// and faults that are made on purpose.
//
//	go test ./soak                                        each in its short form, as CI runs them
//	go test ./soak -v -timeout 60m -soak 1m -report out   each for a minute or more, with out/report.html, report.txt and report.json
//	go test ./soak -v -run Promise5 -soak 5m              one of them
//
// Promises 2 and 10 need PostgreSQL (CANDOR_POSTGRES=1). With libfaketime its clock is set, too (CANDOR_FAKETIME=1: the test fails without). Where
// network namespaces can be made, by root, a gateway is cut off for real (CANDOR_NETNS=1: the test fails where they can't).
//
// A promise that is broken fails its test. What a test measured on the way stands in its log (-v) and in the report. Times are printed,
// and judged only as ratios within one run, because machines are shared; except for the minute within which a revocation must count.
package soak
