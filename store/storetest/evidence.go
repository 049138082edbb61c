package storetest

var evidenceTests = []test{}
