package ops

import "github.com/prometheus/client_golang/prometheus"

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("tuma_"+name, help, labels, nil)
}

// The metrics of the state. docs/observability.md lists them with those of the processes.
var (
	recipientsDesc = describe("recipients",
		"Recipients per provider, currency and status, since the beginning.",
		"provider", "currency", "status")
	amountDesc = describe("amount_minor",
		"Money per provider, currency and status, in minor units, since the beginning.",
		"provider", "currency", "status")
	discountDesc = describe("discount",
		"Discounts that providers gave, per provider, currency and status, in the currency.",
		"provider", "currency", "status")
	driftRecipientsDesc = describe("books_drift_recipients",
		"Recipients requested less those in all statuses: anything but 0 is a fault.",
		"provider", "currency")
	driftMinorDesc = describe("books_drift_minor",
		"Money requested less that in all statuses, in minor units: anything but 0 is a fault.",
		"provider", "currency")

	pendingDesc = describe("pending_entries", "Entries waiting to be claimed.", "provider")
	readyDesc   = describe("ready_batches", "Batches waiting to be sent as they are.", "provider")
	blockedDesc = describe("blocked_entries",
		"Pending entries that wait: their number is in doubt there.", "provider")
	flightDesc = describe("in_flight_batches", "Batches claimed or on the wire.", "provider")
	openDesc   = describe("open_batches", "Batches with recipients that have not settled.",
		"provider")
	oldestDesc = describe("oldest_open_seconds",
		"How long ago the oldest recipient was accepted that has not settled, queued ones included. "+
			"In a batch the oldest counts while any of them is open.", "provider")

	pausedDesc = describe("channel_paused_seconds", "How long a channel stays paused.", "provider",
		"reason")
	troubledDesc = describe("channel_troubled_seconds",
		"How long ago a channel was paused that has not worked since; 0 while it works.", "provider",
		"reason")
	stoppedDesc = describe("channel_paused_by_person_seconds",
		"How long ago a person paused a channel, which lasts until a person resumes it; 0 otherwise.",
		"provider")
	halfOpenDesc = describe("channel_half_open",
		"1 while one request at a time finds out whether a paused channel works again.", "provider")
	unservedDesc = describe("channel_unserved", "1 while work waits and no worker takes it.",
		"provider")
	largestDesc = describe("batch_recipients_limit",
		"Most recipients of a request while sizes ramp up after an unknown.", "provider")

	floatBalanceDesc = describe("float_balance_minor",
		"The last known balance at a provider, in minor units; only where one is known.",
		"provider", "currency")
	floatLeftDesc = describe("float_left_minor",
		"What is left of the balance at a provider, in minor units: less what is queued, on the wire, "+
			"in doubt or paid since. Below zero where that is more.", "provider", "currency")
	floatAgeDesc = describe("float_age_seconds", "How long ago the balance at a provider was known.",
		"provider", "currency")
	floatDryDesc = describe("float_runs_dry_seconds",
		"In how long nothing is left at a provider, at the pace of the last hour; +Inf without a pace.",
		"provider", "currency")

	timesDesc = describe("batch_seconds",
		"Time of a batch from the acceptance of its oldest recipient (accepted) or the beginning of "+
			"its first sending (sent) until its first answer was stored (answered) or its last "+
			"recipient settled (settled), by Redis's clock. Each batch counts once, and again when "+
			"it settles again after a correction.", "provider", "from", "to")

	dueDesc         = describe("due_batches", "Batches on the schedule of status queries.")
	doubtDesc       = describe("in_doubt_batches", "Batches with recipients in doubt.")
	doubtOldestDesc = describe("in_doubt_oldest_seconds",
		"How long ago the first of the batches in doubt was sent.")
	overdueDesc       = describe("overdue_batches", "Batches open longer than the provider takes.")
	overdueOldestDesc = describe("overdue_oldest_seconds",
		"For how long the first of the overdue batches has been overdue.")
	overpaidDesc   = describe("overpaid_recipients", "Recipients with a second effect.")
	mismatchedDesc = describe("mismatched_recipients",
		"Recipients for which a provider reports another amount than was sent, or failed where a "+
			"person decided paid, until a person has decided.")
	mismatchedOldestDesc = describe("mismatched_oldest_seconds",
		"For how long the first of the mismatched recipients has been listed.")

	parkedDesc = describe("parked_callbacks",
		"Callbacks that fit no recipient yet or wait to be confirmed.")
	droppedDesc = describe("dropped_callbacks_total",
		"Parked callbacks that were given up, since the beginning.")
	deadLettersDesc = describe("dead_letters", "Callbacks that could not be read or matched.")

	entriesDesc       = describe("stream_entries", "Entries of a stream.", "stream")
	entriesOldestDesc = describe("stream_oldest_seconds",
		"Age of the first entry of a stream; 0 when it is empty.", "stream")
	groupsDesc = describe("stream_groups", "Consumer groups that read a stream.", "stream")
	addedDesc  = describe("stream_added_total",
		"Entries that were ever added to a stream; those no longer there were trimmed, or taken "+
			"from the jobs.", "stream")
	aheadDesc = describe("stream_ahead_seconds",
		"How far the last id of a stream is ahead of Redis's clock: a producer chose it.", "stream")
	streamBytesDesc   = describe("stream_bytes", "Memory that a stream takes.", "stream")
	trimmedUnreadDesc = describe("stream_trimmed_unread_total",
		"Entries that were trimmed to make room before every consumer group had read them, or that "+
			"no group reads.", "stream")

	tasksDesc = describe("queue_tasks", "Tasks of an asynq queue, by asynq's state.", "queue",
		"state")
	queuePausedDesc = describe("queue_paused", "1 while an asynq queue is paused.", "queue")

	webhookWaitingDesc = describe("webhook_waiting_results",
		"Results that were read from the stream for an endpoint of a webhook and are not delivered.",
		"endpoint")
	webhookOldestDesc = describe("webhook_oldest_seconds",
		"Age of the first result that is not delivered to an endpoint, those that were not read for it "+
			"yet included; 0 without any.", "endpoint")
	webhookOffDesc = describe("webhook_off_seconds",
		"How long ago an endpoint was switched off, by its own answer 410; 0 while it is on.",
		"endpoint")
	webhookGivenUpDesc = describe("webhook_given_up_total",
		"Results that an endpoint did not take for three days, since the beginning.", "endpoint")
	webhookMissedDesc = describe("webhook_missed_total",
		"Results that were trimmed before an endpoint had taken or read them, for whomever they were, "+
			"since the beginning.", "endpoint")

	behindDesc = describe("clock_behind_seconds", "By how much Redis's clock is behind the highest "+
		"time that it has shown, if by more than a second.")
	fencedDesc = describe("fenced_seconds", "How long claiming stays fenced after a Redis restart.")
	memoryDesc = describe("redis_memory_share",
		"Share of its maxmemory that Redis uses; 0 without a maxmemory.")
	upDesc   = describe("state_up", "1 if the state could be read.")
	safeDesc = describe("state_safe", "1 unless the settings of Redis let it forget.")
)
