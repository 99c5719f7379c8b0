/* SPDX-License-Identifier: Apache-2.0 */
#include "core/sets.h"

#include <stdio.h>
#include <string.h>

#include "wire/gtid.h"

static enum gtid_flavour sets_position_flavour(int flavour)
{
    return flavour == SERVER_MYSQL ? GTID_MYSQL : GTID_MARIADB;
}

bool sets_cover(int flavour, const char *whole, const char *part)
{
    struct gtid_set a, b;
    if (flavour == SERVER_FLAVOUR_UNKNOWN ||
        gtid_parse(whole, sets_position_flavour(flavour), &a) != 0)
        return false;
    if (gtid_parse(part, sets_position_flavour(flavour), &b) != 0)
        return false;
    return gtid_contains(&a, &b);
}

/* Everything a server has: MariaDB's binlog state knows only what passed through its binlog, so the
 * position of the replication is joined (a server made from a backup starts with an empty binlog).
 */
static int sets_all(const struct server_facts *f, struct gtid_set *ret_set)
{
    struct gtid_set position;
    int err;
    if (f->flavour == SERVER_FLAVOUR_UNKNOWN)
        return ERR_STATE;
    if (f->flavour == SERVER_MYSQL)
        return gtid_parse(f->executed, GTID_MYSQL, ret_set);
    err = gtid_parse(f->executed, GTID_MARIADB_STATE, ret_set);
    if (err == 0)
        err = gtid_parse(f->applied, GTID_MARIADB, &position);
    if (err == 0)
        err = gtid_union(ret_set, &position, ret_set);
    return err;
}

bool sets_extra(const struct server_facts *node, const struct server_facts *writer, char *ret_text,
                size_t size)
{
    struct gtid_set have, allowed, extra;
    if (node->flavour != writer->flavour) {
        (void)snprintf(ret_text, size, "servers of two families");
        return true;
    }
    if (sets_all(node, &have) != 0 || sets_all(writer, &allowed) != 0 ||
        gtid_subtract(&have, &allowed, &extra) != 0) {
        (void)snprintf(ret_text, size, "the sets cannot be compared");
        return true;
    }
    if (gtid_is_empty(&extra))
        return false;
    if (gtid_format(&extra, ret_text, size) != 0)
        (void)snprintf(ret_text, size, "%llu transactions", (unsigned long long)gtid_count(&extra));
    return true;
}

/* Its binlog has seen that server, or the domain has not come as far. */
static bool sets_must_know(const struct gtid_set *have, const struct gtid_interval *e)
{
    uint64_t last = 0;
    for (unsigned i = 0; i < have->interval_count; i++) {
        const struct gtid_interval *h = &have->intervals[i];
        if (h->source == e->source && h->server_id == e->server_id)
            return true;
        if (h->source == e->source && h->last > last)
            last = h->last;
    }
    return last < e->last;
}

bool sets_on_line(const struct server_facts *node, const char *seal)
{
    enum gtid_flavour flavour = node->flavour == SERVER_MYSQL ? GTID_MYSQL : GTID_MARIADB_STATE;
    struct gtid_set have, sealed, missing;
    if (sets_all(node, &have) != 0 || gtid_parse(seal, flavour, &sealed) != 0)
        return false;
    if (gtid_contains(&sealed, &have) || gtid_contains(&have, &sealed))
        return true;
    if (node->flavour == SERVER_MYSQL || gtid_subtract(&sealed, &have, &missing) != 0)
        return false;
    for (unsigned i = 0; i < missing.interval_count; i++) {
        if (sets_must_know(&have, &missing.intervals[i]))
            return false;
    }
    return true;
}

static uint64_t sets_text_distance(const struct server_facts *ahead,
                                   const struct server_facts *behind, const char *text)
{
    struct gtid_set a, b;
    if (ahead->flavour != behind->flavour || ahead->flavour == SERVER_FLAVOUR_UNKNOWN ||
        gtid_parse(ahead->executed, sets_position_flavour(ahead->flavour), &a) != 0 ||
        gtid_parse(text, sets_position_flavour(behind->flavour), &b) != 0)
        return UINT64_MAX;
    return gtid_distance(&a, &b);
}

/* The highest number of that source; 0 if there is none. */
static uint64_t sets_last_of(const struct gtid_set *set, const struct gtid_source *source)
{
    uint64_t last = 0;
    for (unsigned i = 0; i < set->interval_count; i++) {
        const struct gtid_interval *in = &set->intervals[i];
        const struct gtid_source *s = &set->sources[in->source];
        if (memcmp(s->uuid, source->uuid, sizeof s->uuid) == 0 &&
            strcmp(s->tag, source->tag) == 0 && in->last > last)
            last = in->last;
    }
    return last;
}

bool sets_may_wait(const struct server_facts *writer, const char *extra)
{
    struct gtid_set executed, waiting;
    char first[UUID_TEXT_MAX + 2];
    struct gtid own;
    if (writer->flavour != SERVER_MYSQL || writer->wait_sessions == 0)
        return false;
    (void)snprintf(first, sizeof first, "%s:1", writer->server_uuid);
    if (gtid_parse_one(first, GTID_MYSQL, &own) != 0 ||
        gtid_parse(writer->executed, GTID_MYSQL, &executed) != 0 ||
        gtid_parse(extra, GTID_MYSQL, &waiting) != 0)
        return false;
    for (unsigned i = 0; i < waiting.interval_count; i++) {
        const struct gtid_interval *in = &waiting.intervals[i];
        const struct gtid_source *s = &waiting.sources[in->source];
        if (memcmp(s->uuid, own.uuid, sizeof own.uuid) != 0 ||
            in->first <= sets_last_of(&executed, s))
            return false;
    }
    return true;
}

uint64_t sets_distance(const struct server_facts *ahead, const struct server_facts *behind)
{
    return sets_text_distance(ahead, behind, behind->executed);
}

uint64_t sets_distance_received(const struct server_facts *ahead, const struct server_facts *behind)
{
    return sets_text_distance(ahead, behind, sets_received(behind));
}

const char *sets_received(const struct server_facts *f)
{
    /* MariaDB's Gtid_IO_Pos is empty without a channel and old after a restart of the threads. */
    if (f->received[0] == '\0' || sets_cover(f->flavour, f->executed, f->received))
        return f->executed;
    return f->received;
}
