/* SPDX-License-Identifier: Apache-2.0 */
#include "core/repoint_match.h"

#include <stdio.h>
#include <string.h>

#include "core/adopt_gtid.h"

/* Length of an Xid event without a checksum, and of the checksum. */
#define XID_EVENT_BYTES 27
#define CHECKSUM_BYTES 4

enum match_fact {
    F_ODD = 1u << 0,       /* an event in one of the logs is not understood */
    F_UNAPPLIED = 1u << 1, /* whole groups in the relay logs behind the source's place */
    F_AHEAD = 1u << 2,     /* the replica's place is behind the source's */
    F_EQUAL = 1u << 3,     /* they are the same */
    F_GONE = 1u << 4,      /* a place is not in the relay logs */
    F_TWICE = 1u << 5,     /* ... is there twice */
    F_OWN = 1u << 6,       /* the source wrote of its own before its last foreign group */
    F_NONE = 1u << 7,      /* its binlog has no foreign group */
    F_OWN_ONLY = 1u << 8,  /* ... but groups of its own */
    F_SHORT = 1u << 9,     /* its binlog does not go back far enough */
    F_DIFFERS = 1u << 10,  /* a pair of groups is not the same */
    F_BEHIND = 1u << 11,   /* both places were found, and groups lie between them */
};

static const char *const match_facts[] = {
    "odd", "unapplied", "ahead",    "equal", "gone",    "twice",
    "own", "none",      "own-only", "short", "differs", "behind",
};

static const char *const match_verdicts[] = {"refuse", "rebuild", "place"};

static const struct rule match_rules[] = {
    {10, F_ODD, 0, MATCH_REBUILD, "an event of its logs cannot be compared"},
    {20, F_UNAPPLIED, 0, MATCH_REFUSE,
     "the new source has not applied all that it received: let its SQL thread do that first"},
    {30, F_AHEAD, 0, MATCH_REBUILD,
     "the replica has applied more of the old source than the new source has"},
    {40, F_TWICE, 0, MATCH_REBUILD, "that place of the old source is twice in the relay logs"},
    {50, F_OWN, 0, MATCH_REBUILD,
     "the new source wrote of its own while it followed, and the replica may lack that"},
    {60, F_GONE, F_EQUAL, MATCH_REBUILD,
     "the new source's relay logs do not go back to what the replica applied last"},
    {70, F_OWN_ONLY, 0, MATCH_REBUILD, "the new source's binlog has only what it wrote itself"},
    {80, F_SHORT, 0, MATCH_REBUILD,
     "the new source's binlog does not go back to what the replica applied last"},
    {90, F_NONE, F_EQUAL, MATCH_REBUILD,
     "nothing of the old source is left in the new source's binlog"},
    {100, F_DIFFERS, 0, MATCH_REBUILD,
     "the new source's binlog and its relay logs do not have the same transactions"},
    {110, F_EQUAL | F_NONE, 0, MATCH_PLACE,
     "both have applied the same, and nothing was written to the new source's binlog since"},
    {120, F_EQUAL, 0, MATCH_PLACE,
     "both have applied the same: behind the last transaction of the old source"},
    {130, F_BEHIND, 0, MATCH_PLACE, "the first transaction that the replica lacks"},
    {140, 0, 0, MATCH_REBUILD,
     "relay logs and the places of the two servers contradict each other"},
};

const struct rule_table match_table = RULE_TABLE("match", match_rules, match_facts, match_verdicts);

/* --- one group --------------------------------------------------------------------------------*/

/* FNV-1a, 64 bits. */
static uint64_t mix(uint64_t hash, const char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        hash = (hash ^ (unsigned char)bytes[i]) * UINT64_C(0x100000001b3);
    return hash;
}

static uint64_t mix_number(uint64_t hash, uint64_t number)
{
    char bytes[8];
    for (unsigned i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)(number >> (8 * i));
    return mix(hash, bytes, sizeof bytes);
}

/* The text without the digits behind "xid=" and "table_id: ". */
static uint64_t mix_info(uint64_t hash, const char *info)
{
    static const char *const given[] = {"xid=", "table_id: "};
    while (*info != '\0') {
        size_t skip = 0;
        for (unsigned i = 0; i < sizeof given / sizeof given[0]; i++) {
            if (strncmp(info, given[i], strlen(given[i])) == 0)
                skip = strlen(given[i]);
        }
        hash = mix(hash, info, skip > 0 ? skip : 1);
        info += skip > 0 ? skip : 1;
        while (skip > 0 && *info >= '0' && *info <= '9')
            info++;
    }
    return mix(hash, "", 1);
}

static bool is(const struct repoint_event *e, const char *type)
{
    return strcmp(e->type, type) == 0;
}

/* A statement alone, as the text of a Query event: "COMMIT", and from 8.0 on with its xid. */
static bool says(const struct repoint_event *e, const char *word)
{
    size_t n = strlen(word);
    return is(e, "Query") && strncmp(e->info, word, n) == 0 &&
           (e->info[n] == '\0' || strncmp(e->info + n, " /* xid=", 8) == 0);
}

static bool is_rows(const struct repoint_event *e)
{
    return strncmp(e->type, "Write_rows", 10) == 0 || strncmp(e->type, "Update_rows", 11) == 0 ||
           strncmp(e->type, "Delete_rows", 11) == 0;
}

/* Between groups; they belong to the file, not to what is replicated. */
static bool is_of_file(const struct repoint_event *e)
{
    static const char *const types[] = {"Format_desc", "Rotate",    "Previous_gtids",
                                        "Stop",        "Heartbeat", "Heartbeat_log_event"};
    for (unsigned i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (is(e, types[i]))
            return true;
    }
    return false;
}

/* "" or why events of that kind cannot be compared. */
static const char *odd_text(const struct repoint_event *e)
{
    if (is(e, "Transaction_payload"))
        return "a compressed transaction";
    if (is(e, "XA_prepare") || (is(e, "Query") && strncmp(e->info, "XA ", 3) == 0))
        return "an XA transaction";
    if (is(e, "Incident"))
        return "an incident";
    if (is(e, "Unknown") || e->type[0] == '\0')
        return "an event of an unknown kind";
    return "";
}

static bool odd(struct match_reader *r, const struct repoint_event *e, const char *what)
{
    if (r->why[0] == '\0')
        (void)snprintf(r->why, sizeof r->why, "%s at position %llu of %s: %.40s", what,
                       (unsigned long long)e->position, r->relay ? "a relay log" : "its binlog",
                       e->type);
    return false;
}

static void open_group(struct match_reader *r, const struct repoint_event *e)
{
    r->open = true;
    r->begun = true;
    r->transaction = r->headless = false;
    r->group = (struct match_group){.signature = UINT64_C(0xcbf29ce484222325),
                                    .begin = e->position,
                                    .server_id = e->server_id,
                                    .file = r->file};
    r->lengths = r->weights = 0;
    r->weight = 1;
}

/* Lengths are kept apart until the Xid event, whose own tells whether there are checksums; each
 * with another weight, so that their order counts. */
static void add_event(struct match_reader *r, const struct repoint_event *e, uint64_t length)
{
    uint64_t *hash = &r->group.signature;
    if (is(e, "Rows_query"))
        return;
    *hash = mix(*hash, e->type, strlen(e->type) + 1);
    *hash = mix_number(*hash, e->server_id);
    *hash = mix_info(*hash, e->info);
    if (is_rows(e)) {
        r->weight = r->weight * UINT64_C(6364136223846793005) + 2;
        r->lengths += r->weight * length;
        r->weights += r->weight;
    }
    if (is(e, "Xid")) {
        uint64_t checksum = length == XID_EVENT_BYTES + CHECKSUM_BYTES ? CHECKSUM_BYTES : 0;
        *hash = mix_number(*hash, r->lengths - checksum * r->weights);
    }
}

static bool close_group(struct match_reader *r, uint64_t end, struct match_group *ret_group)
{
    bool whole = !r->headless;
    r->open = r->transaction = r->headless = false;
    r->group.end = end;
    if (!whole)
        return false;
    r->groups++;
    *ret_group = r->group;
    return true;
}

/* An event that is no part of a file's frame. True: it ends a group. */
static bool read_event(struct match_reader *r, const struct repoint_event *e, uint64_t length,
                       struct match_group *ret_group)
{
    bool gtid = is(e, "Anonymous_Gtid") || is(e, "Gtid");
    bool begin = says(e, "BEGIN");
    bool end = is(e, "Xid") || says(e, "COMMIT") || says(e, "ROLLBACK");
    if (odd_text(e)[0] != '\0')
        return odd(r, e, odd_text(e));
    if ((gtid && r->open && !r->headless) || (begin && r->transaction))
        return odd(r, e, "a transaction begins within another");
    /* The oldest relay log may begin within a transaction. */
    if (!r->open && (end || is(e, "Table_map") || is_rows(e))) {
        if (r->begun)
            return odd(r, e, "a transaction without a beginning");
        open_group(r, e);
        r->begun = false;
        r->transaction = r->headless = true;
    } else if (gtid || !r->open || (begin && r->headless)) {
        open_group(r, e);
    }
    add_event(r, e, length);
    if (begin)
        r->transaction = true;
    if (end || (is(e, "Query") && !r->transaction))
        return close_group(r, e->end, ret_group);
    return false;
}

/* --- places -----------------------------------------------------------------------------------*/

static void note_marks(struct match_reader *r)
{
    for (unsigned i = 0; i < MARK_COUNT && !r->open; i++) {
        struct match_mark *m = &r->marks[i];
        if (r->at.file[0] == '\0' || r->at.position != m->place.position ||
            strcmp(r->at.file, m->place.file) != 0)
            continue;
        m->twice = m->twice || (m->found && m->groups != r->groups);
        m->groups = m->found ? m->groups : r->groups;
        m->found = true;
    }
}

/* "m1-bin.000005;pos=4" */
static void read_rotate(struct match_reader *r, const struct repoint_event *e)
{
    const char *semicolon = strchr(e->info, ';');
    size_t n = semicolon != NULL ? (size_t)(semicolon - e->info) : strlen(e->info);
    const char *position = semicolon != NULL ? strstr(semicolon, "pos=") : NULL;
    struct log_place to = {.position = 4};
    if (n == 0 || n >= sizeof to.file) {
        (void)odd(r, e, "a file without a name");
        return;
    }
    memcpy(to.file, e->info, n);
    for (position = position != NULL ? position + 4 : ""; *position >= '0' && *position <= '9';
         position++)
        to.position = (position[-1] == '=' ? 0 : to.position * 10) + (uint64_t)(*position - '0');
    /* Sent again from an earlier place: what was received of an unfinished group does not count. */
    if (r->open && (strcmp(to.file, r->at.file) != 0 || to.position != r->at.position))
        r->open = r->transaction = r->headless = false;
    r->at = to;
}

static bool relay_event(struct match_reader *r, const struct repoint_event *e,
                        struct match_group *ret_group)
{
    uint64_t length = e->end > r->at.position ? e->end - r->at.position : 0;
    bool completed = false;
    /* What the receiving server wrote for itself: the frame of its relay logs. */
    if (is_of_file(e) && e->server_id == r->own_id)
        return false;
    if (is(e, "Rotate")) {
        read_rotate(r, e);
    } else {
        if (!is_of_file(e))
            completed = read_event(r, e, length, ret_group);
        if (e->end != 0)
            r->at.position = e->end;
    }
    note_marks(r);
    return completed;
}

/* --- reading ----------------------------------------------------------------------------------*/

void match_begin_relay(struct match_reader *r, uint32_t own_id, const struct log_place *replica,
                       const struct log_place *source)
{
    struct match_reader made = {.relay = true, .own_id = own_id};
    made.marks[MARK_REPLICA].place = *replica;
    made.marks[MARK_SOURCE].place = *source;
    *r = made;
}

void match_begin_binlog(struct match_reader *r, uint32_t own_id)
{
    memset(r, 0, sizeof *r);
    r->own_id = own_id;
    r->begun = true; /* no file of a binlog begins within a transaction */
}

void match_file(struct match_reader *r, uint32_t file)
{
    r->file = file;
    /* A relay log may end within a transaction that goes on in the next one; a binlog does not. */
    if (!r->relay)
        r->open = r->transaction = false;
}

bool match_event(struct match_reader *r, const struct repoint_event *e,
                 struct match_group *ret_group)
{
    if (r->relay)
        return relay_event(r, e, ret_group);
    return !is_of_file(e) &&
           read_event(r, e, e->end > e->position ? e->end - e->position : 0, ret_group);
}

/* --- the answer -------------------------------------------------------------------------------*/

int match_order(const struct match_reader *relay)
{
    return log_place_compare(&relay->marks[MARK_REPLICA].place, &relay->marks[MARK_SOURCE].place);
}

/* Groups that the replica lacks. Two places with no group between them are the same. */
static size_t behind(const struct match_reader *relay)
{
    const struct match_mark *a = &relay->marks[MARK_REPLICA], *b = &relay->marks[MARK_SOURCE];
    return a->found && b->found && b->groups > a->groups ? b->groups - a->groups : 0;
}

size_t match_wanted(const struct match_reader *relay)
{
    const struct match_mark *a = &relay->marks[MARK_REPLICA];
    size_t context = a->found && a->groups < MATCH_CONTEXT ? a->groups : MATCH_CONTEXT;
    size_t wanted = behind(relay) + (a->found ? context : 0);
    return wanted > 0 ? wanted : 1;
}

size_t match_has(const struct match_group *groups, size_t n, uint32_t own_id)
{
    size_t foreign = 0;
    for (size_t i = 0; i < n; i++)
        foreign += groups[i].server_id != own_id;
    return foreign;
}

static uint32_t facts_of_relay(const struct match_logs *l)
{
    const struct match_reader *relay = l->relay;
    const struct match_mark *a = &relay->marks[MARK_REPLICA], *b = &relay->marks[MARK_SOURCE];
    bool found = a->found && b->found;
    bool equal = match_order(relay) == 0 || (found && a->groups == b->groups);
    uint32_t m = 0;
    m |= relay->why[0] != '\0' ? F_ODD : 0;
    m |= (b->found ? relay->groups > b->groups : !l->level) ? F_UNAPPLIED : 0;
    m |= equal ? F_EQUAL : 0;
    m |= !equal && match_order(relay) > 0 ? F_AHEAD : 0;
    m |= !found ? F_GONE : 0;
    m |= a->twice || b->twice ? F_TWICE : 0;
    m |= behind(relay) > 0 ? F_BEHIND : 0;
    return m;
}

/* Own groups behind the last foreign one are what it wrote as the writer; those before it are not
 * told apart from what the replica has seen by way of the old source. */
static uint32_t facts_of_binlog(const struct match_logs *l, size_t foreign, size_t *ret_last,
                                struct match_result *res)
{
    uint32_t own_id = l->binlog->own_id;
    size_t last = l->n_binlog;
    *ret_last = last;
    if (l->binlog->why[0] != '\0')
        return F_ODD;
    if (foreign == 0)
        return F_NONE | (l->n_binlog > 0 ? F_OWN_ONLY : 0);
    while (l->binlog_groups[last - 1].server_id == own_id)
        last--;
    *ret_last = last;
    for (size_t i = last; i-- > 0;) {
        if (l->binlog_groups[i].server_id == own_id) {
            res->file = l->binlog_groups[i].file;
            res->position = l->binlog_groups[i].begin;
            return F_OWN;
        }
    }
    return foreign < res->behind ? F_SHORT : 0;
}

static uint32_t compare(const struct match_logs *l, size_t last, struct match_result *res)
{
    const struct match_mark *b = &l->relay->marks[MARK_SOURCE];
    size_t wanted = match_wanted(l->relay);
    if (!b->found)
        return 0;
    while (res->compared < wanted && res->compared < b->groups && res->compared < last) {
        const struct match_group *theirs = &l->relay_groups[b->groups - 1 - res->compared];
        const struct match_group *mine = &l->binlog_groups[last - 1 - res->compared];
        if (theirs->signature != mine->signature) {
            res->file = mine->file;
            res->position = mine->begin;
            return F_DIFFERS;
        }
        res->compared++;
    }
    return 0;
}

const struct rule *match_decide(const struct match_logs *l, struct match_result *ret_result)
{
    struct match_result res = {.behind = behind(l->relay)};
    size_t foreign = match_has(l->binlog_groups, l->n_binlog, l->binlog->own_id);
    size_t last = 0;
    const struct rule *rule;
    res.facts = facts_of_relay(l) | facts_of_binlog(l, foreign, &last, &res);
    if ((res.facts & (F_ODD | F_NONE | F_OWN | F_SHORT)) == 0)
        res.facts |= compare(l, last, &res);
    rule = rules_decide(&match_table, res.facts);
    if (rule->verdict == MATCH_PLACE && (res.facts & F_NONE) != 0) {
        res.file = l->log_end_file;
        res.position = l->log_end;
    } else if (rule->verdict == MATCH_PLACE) {
        const struct match_group *g = &l->binlog_groups[last - (res.behind > 0 ? res.behind : 1)];
        res.file = g->file;
        res.position = res.behind > 0 ? g->begin : g->end;
    }
    *ret_result = res;
    return rule;
}
