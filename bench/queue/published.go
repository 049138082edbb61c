package main

// Figure is one that somebody else has published.
type Figure struct {
	Figure string `json:"figure"`
	On     string `json:"on"`
	What   string `json:"what"`
	Source string `json:"source"`
}

// published by River's makers, as read in November 2026.
var published = []Figure{
	{
		Figure: "about 46,000 jobs a second",
		On:     "an 8-core 2022 M2 MacBook Air, client and PostgreSQL on it",
		What:   "2,000 workers, 1,000,000 jobs that do nothing, inserted before the start (river bench --num-total-jobs 1_000_000)",
		Source: "https://riverqueue.com/docs/benchmarks",
	},
	{
		Figure: "about 10,000 jobs a second before, 46,000 after completions were batched",
		On:     "the same laptop",
		What:   "the same; what the batches are worth",
		Source: "https://github.com/riverqueue/river/pull/258",
	},
}

// differences between a job of River and an item of ours, for whoever would divide one figure by the other.
var differences = []string{
	"A worker of River fetches many jobs with one statement, and jobs are completed by the thousand, some time after they were worked; a job whose",
	"worker dies is worked again. Here every claim and every verdict is a transaction of its own that is durable before a person sees the answer, a",
	"claim has a lease with an epoch that the verdict is held against, and a final verdict also extends a hash-chained log and a feed of answers.",
	"\"jobs tx\" above is the nearest: a worker completes its job in a transaction of its own (river.JobCompleteTx); fetches stay batched.",
}
