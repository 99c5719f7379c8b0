/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/gtid.h"

#include <assert.h>

static bool gtid_is_mysql(enum gtid_flavour flavour)
{
    return flavour == GTID_MYSQL;
}

void gtid_init(struct gtid_set *set, enum gtid_flavour flavour)
{
    assert(flavour < GTID_FLAVOUR_COUNT);
    memset(set, 0, sizeof *set);
    set->flavour = flavour;
}

bool gtid_is_empty(const struct gtid_set *set)
{
    return set->interval_count == 0;
}

static uint64_t add_saturated(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

/* --- the bounded array ------------------------------------------------------------------------ */

static void interval_insert(struct gtid_set *s, unsigned at, struct gtid_interval value)
{
    assert(s->interval_count < GTID_INTERVALS_MAX);
    memmove(&s->intervals[at + 1], &s->intervals[at],
            (s->interval_count - at) * sizeof s->intervals[0]);
    s->intervals[at] = value;
    s->interval_count++;
}

/* Unused slots stay zero, so that equal sets are equal bytes for whoever copies or hashes them. */
static void interval_remove(struct gtid_set *s, unsigned at, unsigned n)
{
    memmove(&s->intervals[at], &s->intervals[at + n],
            (s->interval_count - at - n) * sizeof s->intervals[0]);
    s->interval_count = (uint16_t)(s->interval_count - n);
    memset(&s->intervals[s->interval_count], 0, n * sizeof s->intervals[0]);
}

/* --- MySQL ------------------------------------------------------------------------------------ */

static int source_compare(const struct gtid_source *a, const struct gtid_source *b)
{
    int c = memcmp(a->uuid, b->uuid, sizeof a->uuid);
    return c != 0 ? c : strncmp(a->tag, b->tag, sizeof a->tag);
}

/* Position of the source, or where it belongs. */
static bool source_find(const struct gtid_set *s, const struct gtid_source *key, unsigned *ret_at)
{
    unsigned i = 0;
    while (i < s->source_count && source_compare(&s->sources[i], key) < 0)
        i++;
    *ret_at = i;
    return i < s->source_count && source_compare(&s->sources[i], key) == 0;
}

static void source_insert(struct gtid_set *s, unsigned at, const struct gtid_source *key)
{
    memmove(&s->sources[at + 1], &s->sources[at], (s->source_count - at) * sizeof s->sources[0]);
    s->sources[at] = *key;
    s->source_count++;
    for (unsigned i = 0; i < s->interval_count; i++)
        if (s->intervals[i].source >= at)
            s->intervals[i].source++;
}

static int range_add(struct gtid_set *s, const struct gtid_source *key, uint64_t first,
                     uint64_t last)
{
    unsigned source, i = 0, j;
    bool known = source_find(s, key, &source);
    struct gtid_interval value = {.first = first, .last = last, .source = source};
    if (!known) {
        if (s->source_count == GTID_SOURCES_MAX || s->interval_count == GTID_INTERVALS_MAX)
            return ERR_FULL;
        source_insert(s, source, key);
    }
    while (i < s->interval_count &&
           (s->intervals[i].source < source ||
            (s->intervals[i].source == source && s->intervals[i].last + 1 < first)))
        i++;
    for (j = i; j < s->interval_count && s->intervals[j].source == source &&
                s->intervals[j].first <= last + 1;
         j++) {
        value.first = s->intervals[j].first < value.first ? s->intervals[j].first : value.first;
        value.last = s->intervals[j].last > value.last ? s->intervals[j].last : value.last;
    }
    if (i == j) {
        if (s->interval_count == GTID_INTERVALS_MAX)
            return ERR_FULL;
        interval_insert(s, i, value);
        return 0;
    }
    s->intervals[i] = value;
    interval_remove(s, i + 1, j - i - 1);
    return 0;
}

/* Adds first..last minus what `minus` has of that source. */
static int range_add_without(struct gtid_set *out, const struct gtid_source *key, uint64_t first,
                             uint64_t last, const struct gtid_set *minus)
{
    unsigned source;
    if (!source_find(minus, key, &source))
        return range_add(out, key, first, last);
    for (unsigned i = 0; i < minus->interval_count && first <= last; i++) {
        const struct gtid_interval *m = &minus->intervals[i];
        if (m->source != source || m->last < first || m->first > last)
            continue;
        if (m->first > first) {
            int err = range_add(out, key, first, m->first - 1);
            if (err != 0)
                return err;
        }
        first = m->last + 1;
    }
    return first <= last ? range_add(out, key, first, last) : 0;
}

static bool range_contained(const struct gtid_set *whole, const struct gtid_source *key,
                            uint64_t first, uint64_t last)
{
    unsigned source;
    if (!source_find(whole, key, &source))
        return false;
    for (unsigned i = 0; i < whole->interval_count; i++) {
        const struct gtid_interval *w = &whole->intervals[i];
        if (w->source == source && w->first <= first && last <= w->last)
            return true;
    }
    return false;
}

/* How many numbers of first..last `set` has of that source. */
static uint64_t range_overlap(const struct gtid_set *set, const struct gtid_source *key,
                              uint64_t first, uint64_t last)
{
    uint64_t n = 0;
    unsigned source;
    if (!source_find(set, key, &source))
        return 0;
    for (unsigned i = 0; i < set->interval_count; i++) {
        const struct gtid_interval *w = &set->intervals[i];
        uint64_t lo = w->first > first ? w->first : first;
        uint64_t hi = w->last < last ? w->last : last;
        if (w->source == source && lo <= hi)
            n += hi - lo + 1;
    }
    return n;
}

static struct gtid_source source_of(const struct gtid *g)
{
    struct gtid_source key;
    memset(&key, 0, sizeof key);
    memcpy(key.uuid, g->uuid, sizeof key.uuid);
    memcpy(key.tag, g->tag, sizeof key.tag);
    key.tag[sizeof key.tag - 1] = '\0';
    return key;
}

/* --- MariaDB ---------------------------------------------------------------------------------- */

static int entry_add(struct gtid_set *s, uint32_t domain, uint32_t server_id, uint64_t number)
{
    unsigned i = 0;
    bool by_server = s->flavour == GTID_MARIADB_STATE;
    struct gtid_interval value = {number, number, domain, server_id};
    while (i < s->interval_count &&
           (s->intervals[i].source < domain || (by_server && s->intervals[i].source == domain &&
                                                s->intervals[i].server_id < server_id)))
        i++;
    if (i < s->interval_count && s->intervals[i].source == domain &&
        (!by_server || s->intervals[i].server_id == server_id)) {
        if (number > s->intervals[i].last)
            s->intervals[i] = value;
        return 0;
    }
    if (s->interval_count == GTID_INTERVALS_MAX)
        return ERR_FULL;
    interval_insert(s, i, value);
    return 0;
}

static bool entry_contained(const struct gtid_set *whole, const struct gtid_interval *e)
{
    for (unsigned i = 0; i < whole->interval_count; i++) {
        const struct gtid_interval *w = &whole->intervals[i];
        if (w->source == e->source && w->last >= e->last &&
            (whole->flavour == GTID_MARIADB || w->server_id == e->server_id))
            return true;
    }
    return false;
}

static uint64_t domain_max(const struct gtid_set *s, uint32_t domain)
{
    uint64_t max = 0;
    for (unsigned i = 0; i < s->interval_count; i++)
        if (s->intervals[i].source == domain && s->intervals[i].last > max)
            max = s->intervals[i].last;
    return max;
}

/* What one entry, not contained in `behind`, adds to a divergence: numbers of its server_id. A
 * server_id that behind has never seen counts 1: its numbers are not its own alone. */
static uint64_t entry_missing(const struct gtid_set *behind, const struct gtid_interval *e)
{
    for (unsigned i = 0; i < behind->interval_count; i++) {
        const struct gtid_interval *b = &behind->intervals[i];
        if (b->source == e->source && b->server_id == e->server_id)
            return e->last > b->last ? e->last - b->last : 0;
    }
    return 1;
}

static uint64_t domain_distance(const struct gtid_set *ahead, const struct gtid_set *behind,
                                uint32_t domain)
{
    uint64_t a = domain_max(ahead, domain), b = domain_max(behind, domain), n = 0;
    bool missing = false;
    for (unsigned i = 0; i < ahead->interval_count; i++) {
        const struct gtid_interval *e = &ahead->intervals[i];
        if (e->source != domain || entry_contained(behind, e))
            continue;
        missing = true;
        n = add_saturated(n, entry_missing(behind, e));
    }
    if (!missing)
        return 0;
    return a > b ? a - b : n;
}

/* --- both ------------------------------------------------------------------------------------- */

int gtid_add(struct gtid_set *set, const struct gtid *gtid)
{
    struct gtid_source key;
    if (gtid_is_mysql(set->flavour) != gtid_is_mysql(gtid->flavour) || gtid->number == 0)
        return ERR_INVAL;
    if (!gtid_is_mysql(set->flavour))
        return entry_add(set, gtid->domain, gtid->server_id, gtid->number);
    key = source_of(gtid);
    if (gtid->number >= INT64_MAX)
        return ERR_INVAL;
    return range_add(set, &key, gtid->number, gtid->number);
}

static int gtid_add_interval(struct gtid_set *set, const struct gtid_set *of,
                             const struct gtid_interval *v)
{
    if (gtid_is_mysql(set->flavour))
        return range_add(set, &of->sources[v->source], v->first, v->last);
    return entry_add(set, v->source, v->server_id, v->last);
}

int gtid_union(const struct gtid_set *a, const struct gtid_set *b, struct gtid_set *ret_set)
{
    struct gtid_set out;
    if (gtid_is_mysql(a->flavour) != gtid_is_mysql(b->flavour))
        return ERR_INVAL;
    gtid_init(&out, a->flavour == GTID_MARIADB ? b->flavour : a->flavour);
    for (int k = 0; k < 2; k++) {
        const struct gtid_set *of = k == 0 ? a : b;
        for (unsigned i = 0; i < of->interval_count; i++) {
            int err = gtid_add_interval(&out, of, &of->intervals[i]);
            if (err != 0)
                return err;
        }
    }
    *ret_set = out;
    return 0;
}

int gtid_subtract(const struct gtid_set *from, const struct gtid_set *minus,
                  struct gtid_set *ret_set)
{
    struct gtid_set out;
    if (gtid_is_mysql(from->flavour) != gtid_is_mysql(minus->flavour))
        return ERR_INVAL;
    gtid_init(&out, from->flavour);
    for (unsigned i = 0; i < from->interval_count; i++) {
        const struct gtid_interval *v = &from->intervals[i];
        int err = 0;
        if (gtid_is_mysql(from->flavour))
            err = range_add_without(&out, &from->sources[v->source], v->first, v->last, minus);
        else if (!entry_contained(minus, v))
            err = entry_add(&out, v->source, v->server_id, v->last);
        if (err != 0)
            return err;
    }
    *ret_set = out;
    return 0;
}

bool gtid_contains(const struct gtid_set *whole, const struct gtid_set *part)
{
    if (gtid_is_empty(part))
        return true;
    if (gtid_is_mysql(whole->flavour) != gtid_is_mysql(part->flavour))
        return false;
    for (unsigned i = 0; i < part->interval_count; i++) {
        const struct gtid_interval *v = &part->intervals[i];
        bool in = gtid_is_mysql(whole->flavour)
                      ? range_contained(whole, &part->sources[v->source], v->first, v->last)
                      : entry_contained(whole, v);
        if (!in)
            return false;
    }
    return true;
}

bool gtid_contains_one(const struct gtid_set *whole, const struct gtid *gtid)
{
    struct gtid_source key;
    struct gtid_interval entry = {gtid->number, gtid->number, gtid->domain, gtid->server_id};
    if (gtid_is_mysql(whole->flavour) != gtid_is_mysql(gtid->flavour))
        return false;
    if (!gtid_is_mysql(whole->flavour))
        return entry_contained(whole, &entry);
    key = source_of(gtid);
    return range_contained(whole, &key, gtid->number, gtid->number);
}

bool gtid_one_equal(const struct gtid *a, const struct gtid *b)
{
    struct gtid_source ka = source_of(a), kb = source_of(b);
    if (gtid_is_mysql(a->flavour) != gtid_is_mysql(b->flavour) || a->number != b->number)
        return false;
    if (gtid_is_mysql(a->flavour))
        return source_compare(&ka, &kb) == 0;
    return a->domain == b->domain && a->server_id == b->server_id;
}

bool gtid_equal(const struct gtid_set *a, const struct gtid_set *b)
{
    if (a->flavour != b->flavour || a->source_count != b->source_count ||
        a->interval_count != b->interval_count)
        return false;
    for (unsigned i = 0; i < a->source_count; i++)
        if (source_compare(&a->sources[i], &b->sources[i]) != 0)
            return false;
    for (unsigned i = 0; i < a->interval_count; i++) {
        const struct gtid_interval *x = &a->intervals[i], *y = &b->intervals[i];
        if (x->first != y->first || x->last != y->last || x->source != y->source ||
            x->server_id != y->server_id)
            return false;
    }
    return true;
}

uint64_t gtid_count(const struct gtid_set *set)
{
    struct gtid_set none;
    gtid_init(&none, set->flavour);
    if (!gtid_is_mysql(set->flavour))
        none.flavour = GTID_MARIADB;
    return gtid_distance(set, &none);
}

uint64_t gtid_distance(const struct gtid_set *ahead, const struct gtid_set *behind)
{
    uint64_t n = 0;
    /* Nothing of the other family is contained, so everything is missing. */
    if (gtid_is_mysql(ahead->flavour) != gtid_is_mysql(behind->flavour))
        return gtid_count(ahead);
    for (unsigned i = 0; i < ahead->interval_count; i++) {
        const struct gtid_interval *v = &ahead->intervals[i];
        if (gtid_is_mysql(ahead->flavour))
            n = add_saturated(
                n, v->last - v->first + 1 -
                       range_overlap(behind, &ahead->sources[v->source], v->first, v->last));
        else if (i == 0 || ahead->intervals[i - 1].source != v->source)
            n = add_saturated(n, domain_distance(ahead, behind, v->source));
    }
    return n;
}

bool gtid_max(const struct gtid_set *set, struct gtid *ret_gtid)
{
    const struct gtid_interval *max = NULL;
    for (unsigned i = 0; i < set->interval_count; i++)
        if (max == NULL || set->intervals[i].last > max->last)
            max = &set->intervals[i];
    if (max == NULL)
        return false;
    memset(ret_gtid, 0, sizeof *ret_gtid);
    ret_gtid->number = max->last;
    if (gtid_is_mysql(set->flavour)) {
        ret_gtid->flavour = GTID_MYSQL;
        memcpy(ret_gtid->uuid, set->sources[max->source].uuid, sizeof ret_gtid->uuid);
        memcpy(ret_gtid->tag, set->sources[max->source].tag, sizeof ret_gtid->tag);
    } else {
        ret_gtid->flavour = GTID_MARIADB;
        ret_gtid->domain = max->source;
        ret_gtid->server_id = max->server_id;
    }
    return true;
}
