package state

// Keys are named here and, for what scripts touch, in lua/include/keys.lua by the same kinds. All
// of them share the hash tag {namespace}, so that one Redis Cluster slot holds the whole state.
//
//	{ns}:state                 HASH    schema, clock, run_id, page, audit, erase_key…  for ever
//	{ns}:jobs                  STREAM  jobs from producers, deleted when held          never trimmed
//	{ns}:results               STREAM  one entry per settling or correction          TUMA_STREAM_AGE
//	{ns}:rejected              STREAM  what could not be accepted, with the reason   TUMA_STREAM_AGE
//	{ns}:yielded               HASH    entries that streams dropped unread               for ever
//	{ns}:trimmed:<stream>      ZSET    padded id of the last entry that was trimmed       for ever
//	{ns}:audit                 STREAM  decisions, chained by hash: lua/include/audit.lua  for ever
//	{ns}:queuepauses           HASH    asynq's queue -> 1 if it is paused, and since when (ms)
//	{ns}:decision:<id>         STRING  the reply to a decision that was taken          one hour
//	{ns}:erasing:<number>      STRING  what stands for a number whose erasure has begun  one day
//	{ns}:disbursal:<ref>       STRING  digest, and where its recipients are            TUMA_RETENTION
//	{ns}:chunk:<id>            HASH    see lua/include/keys.lua                      TUMA_RETENTION
//	{ns}:rows:<id>             STRING  a cell for each recipient of a chunk          TUMA_RETENTION
//	{ns}:locations:<id>        HASH    index in the cells of a chunk -> location     TUMA_RETENTION
//	{ns}:recipientids:<id>     STRING  the producer's own ids of its recipients      TUMA_RETENTION
//	{ns}:history:<id>          LIST    refusals that were failed over                 TUMA_RETENTION
//	{ns}:digest:<ref>          STRING  digest of a forgotten disbursal                 one year
//	{ns}:scattered             LIST    chunks whose lines of evidence are to be gathered
//	{ns}:batch:<id>            HASH    see lua/include/batches.lua                   TUMA_RETENTION
//	{ns}:providers             SET     every provider that ever got a disbursal        for ever
//	{ns}:codes                 HASH    provider code -> name, and 1 if it reports        for ever
//	{ns}:pending:<provider>    LIST    "chunk from to location", oldest at the head
//	{ns}:urgent:<provider>     LIST    the same, of those who go first
//	{ns}:blocked:<provider>    HASH    pending entries whose number is in doubt there, by number
//	{ns}:blockedsince:<prov.>  ZSET    the same entries -> when their recipients were accepted (ms)
//	{ns}:control:<campaign>    HASH    what people say of a campaign: lua/include/controls.lua
//	{ns}:controlled            SET     those campaigns, while there is any
//	{ns}:withheld:<p>:<camp.>  LIST    pending entries that wait for that, by provider
//	{ns}:ready:<provider>      LIST    batches to be sent as they are
//	{ns}:slots:<provider>      ZSET    batch -> when its claim or sending lapses (ms)
//	{ns}:rules                 ZSET    routing rules -> when a worker last had them    an hour
//	{ns}:channel:<provider>    HASH    see lua/include/channels.lua
//	{ns}:open:<provider>       ZSET    batch with open members -> when the first was accepted (ms)
//	{ns}:refused:<provider>    LIST    pending entries of recipients refused alone, and since when
//	{ns}:doubtphones:<prov.>   HASH    phone number -> batches in which it is in doubt
//	{ns}:out:<provider>        HASH    phone number -> who with it is on the way there
//	{ns}:ids:<provider>:<day>  HASH    the provider's id -> whom it names             9 days
//	{ns}:unanswered:<p>:<day>  HASH    phone number -> sendings whose answer is lost  9 days
//	{ns}:validated:<day>       HASH    payments that we have vouched for              2 days
//	{ns}:parked                  HASH    callbacks that fit nobody yet, or are not confirmed
//	{ns}:parkeddue             ZSET    the same -> when they are tried next (ms)
//	{ns}:dead_letters          STREAM  callbacks not read or matched                  1,000 entries
//	{ns}:due                   ZSET    batch -> when it is asked about next (ms)
//	{ns}:doubt                 ZSET    batch with members in doubt -> since (ms)
//	{ns}:overdue               ZSET    batch open longer than the provider takes -> since (ms)
//	{ns}:superseded             HASH    evidence from batches that a recipient has left
//	{ns}:overpaid              SET     fields of superseded with a second effect
//	{ns}:mismatched            ZSET    "chunk position" of whom a provider says what cannot be right
//	{ns}:disputes              HASH    "chunk position" -> batch, reason, words
//	{ns}:times                 HASH    how long batches took: lua/include/batches.lua
//	{ns}:held                  ZSET    chunk with a held recipient -> number, in order of arrival
//	{ns}:scheduled             ZSET    chunk with one held for the schedule -> until when (ms)
//	{ns}:uncharged             SET     chunk with one whom guards have still to count
//	{ns}:heldfor:<queue>       ZSET    chunk with one held for a budget: lua/include/holds.lua
//	{ns}:heldqueues            HASH    those queues, and how far they were looked at
//	{ns}:holdlog:<chunk>       LIST    when what held its recipients, for people      TUMA_RETENTION
//	{ns}:charges:<chunk>       HASH    what guards have counted: include/charges.lua TUMA_RETENTION
//	{ns}:spent:<guard>:<per.>  HASH    "currency subject" -> "recipients money"       33 days at most
//	{ns}:spentby:<g>:<p>:<xyz> HASH    "currency phone" -> the same                   33 days at most
//	{ns}:pagespent:<page>      HASH    the part of a page of those
//	{ns}:forgottenspent        HASH    the same of what is forgotten                       for ever
//	{ns}:floats                HASH    what is left at providers: lua/include/floats.lua   for ever
//	{ns}:floatmarks            HASH    what was spent of those lately, for their pace       for ever
//	{ns}:payments:<31d>:<c>    HASH    payment -> recipients: lua/include/duplicates.lua   62 days
//	{ns}:cancelled             HASH    "kind name" -> when (ms)                        for ever
//	{ns}:book                  HASH    "provider currency status" -> lua/include/figures.lua
//	{ns}:forgotten             HASH    the same, of forgotten disbursals               for ever
//	{ns}:forgotten:<day>       HASH    the same, of those accepted on a day            for ever
//	{ns}:pages                 ZSET    page, "day.number" -> when it was begun (ms)
//	{ns}:page:<page>           LIST    its chunks
//	{ns}:pagebook:<page>       HASH    the book of a page
//	{ns}:fingerprints:<p>:<d>  STRING  of what is found in it: lua/include/fingerprints.lua
//	{ns}:days                  SET     days on which anything was accepted             for ever
//	{ns}:daycampaigns:<day>    SET     the campaigns of a day, '' for none             for ever
//	{ns}:daybook:<day>:<name>  HASH    the book of a campaign on a day                 for ever
//	{ns}:imports               ZSET    import -> when it was opened (ms)
//	{ns}:campaigns             ZSET    campaign -> when it was first accepted (ms)
//	{ns}:import:<ref>          HASH    manifest, rows, at, submitted_by
//	{ns}:campaign:<name>       HASH    submitted_by, several
//	{ns}:importchunks:<ref>    LIST    its chunks
//	{ns}:importbook:<ref>      HASH    the book of an import
//	{ns}:campaignchunks:<name> LIST    its chunks
//	{ns}:campaigndays:<name>   SET     its days: their books are that of the campaign
//	{ns}:producerchunks:<name> LIST    chunks of a producer of the HTTP inlet
//	{ns}:webhooks              ZSET    endpoint -> when a poller had it last (ms)      for ever
//	{ns}:session:<id>          STRING  who looks at the console: sessions.go              12 hours
//	{ns}:signintries:<name>    STRING  tries to sign in that failed, or are not over      15 min
//	{ns}:webhook:<name>        HASH    see lua/include/webhooks.lua                    for ever
//	{ns}:webhookwaiting:<n>    ZSET    result that waits for delivery -> when published (ms)
//	{ns}:webhookdue:<name>     ZSET    those that are not out -> when tried next (ms)
//	{ns}:webhookout:<name>     ZSET    those that are out -> when that counts as lost (ms)
//	{ns}:webhooktries:<name>   HASH    result that waits -> hand-out and tries
//	{ns}:webhookgivenup:<n>    ZSET    results given up -> when (ms)                1,000 entries
type keys struct{ prefix string }

func newKeys(namespace string) keys { return keys{prefix: "{" + namespace + "}:"} }

func (k keys) plain(kind string) string       { return k.prefix + kind }
func (k keys) named(kind, name string) string { return k.prefix + kind + ":" + name }
func (k keys) state() string                  { return k.plain("state") }

// script are the keys that every script names. The second one never exists: of a slot that is
// moving to another node, a cluster refuses a command that names a key which is there and one which
// is not (TRYAGAIN), on both nodes. Without it a script would run where half of its keys are.
func (k keys) script() []string { return []string{k.state(), k.plain("never")} }

func (k keys) jobs() string                 { return k.plain("jobs") }
func (k keys) results() string              { return k.plain("results") }
func (k keys) rejected() string             { return k.plain("rejected") }
func (k keys) book() string                 { return k.plain("book") }
func (k keys) trimmed(stream string) string { return k.named("trimmed", stream) }
func (k keys) disbursal(ref string) string  { return k.named("disbursal", ref) }
func (k keys) chunk(id string) string       { return k.named("chunk", id) }
func (k keys) batch(id string) string       { return k.named("batch", id) }

// dayBook is the book of what a campaign got on one day; the campaign may be empty.
func (k keys) dayBook(day, campaign string) string { return k.named("daybook", day+":"+campaign) }
