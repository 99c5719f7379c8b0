/* SPDX-License-Identifier: Apache-2.0 */
/* Texts of GTID sets: the grammar that servers print (MySQL manual, "GTID Sets"; MariaDB
 * knowledge base, "Global Transaction ID"). */
#include "wire/gtid.h"

struct cursor {
    const char *at;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static void skip_blank(struct cursor *c)
{
    while (*c->at == ' ' || *c->at == '\n' || *c->at == '\r' || *c->at == '\t')
        c->at++;
}

static bool take(struct cursor *c, char expected)
{
    skip_blank(c);
    if (*c->at != expected)
        return false;
    c->at++;
    return true;
}

static int number(struct cursor *c, uint64_t max, uint64_t *ret_value)
{
    uint64_t v = 0;
    skip_blank(c);
    if (!is_digit(*c->at))
        return ERR_FORMAT;
    for (; is_digit(*c->at); c->at++) {
        uint64_t digit = (uint64_t)(*c->at - '0');
        if (v > (UINT64_MAX - digit) / 10)
            return ERR_FORMAT;
        v = v * 10 + digit;
    }
    if (v > max)
        return ERR_FORMAT;
    *ret_value = v;
    return 0;
}

/* --- MySQL ------------------------------------------------------------------------------------ */

static int hex_value(char c)
{
    if (is_digit(c))
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static int uuid_take(struct cursor *c, uint8_t *ret_uuid)
{
    uint8_t uuid[16];
    skip_blank(c);
    for (int i = 0; i < 16; i++) {
        int high, low;
        if (i == 4 || i == 6 || i == 8 || i == 10) {
            if (*c->at != '-')
                return ERR_FORMAT;
            c->at++;
        }
        high = hex_value(c->at[0]);
        low = high < 0 ? -1 : hex_value(c->at[1]);
        if (low < 0)
            return ERR_FORMAT;
        uuid[i] = (uint8_t)(high << 4 | low);
        c->at += 2;
    }
    memcpy(ret_uuid, uuid, sizeof uuid);
    return 0;
}

static bool is_tag_start(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static int tag_take(struct cursor *c, char *ret_tag)
{
    size_t n = 0;
    char tag[GTID_TAG_MAX] = {0};
    for (; is_tag_start(*c->at) || is_digit(*c->at); c->at++) {
        if (n == sizeof tag - 1)
            return ERR_FORMAT;
        tag[n++] = (char)(*c->at >= 'A' && *c->at <= 'Z' ? *c->at - 'A' + 'a' : *c->at);
    }
    memcpy(ret_tag, tag, sizeof tag);
    return 0;
}

/* Adds first..last by way of a set of one interval, so that gtid.c alone knows the array. */
static int add_range(struct gtid_set *set, const struct gtid_source *source, uint64_t first,
                     uint64_t last)
{
    struct gtid_set one;
    gtid_init(&one, GTID_MYSQL);
    one.source_count = 1;
    one.sources[0] = *source;
    one.interval_count = 1;
    one.intervals[0] = (struct gtid_interval){.first = first, .last = last};
    return gtid_union(set, &one, set);
}

static int interval_take(struct cursor *c, struct gtid_set *set, const struct gtid_source *source)
{
    uint64_t first, last;
    int err = number(c, INT64_MAX - 1, &first);
    if (err != 0)
        return err;
    last = first;
    if (take(c, '-'))
        err = number(c, INT64_MAX - 1, &last);
    if (err != 0)
        return err;
    if (first == 0 || last < first)
        return ERR_FORMAT;
    return add_range(set, source, first, last);
}

/* uuid ( ":" tag? interval )+ : a tag is valid until the next one. */
static int source_take(struct cursor *c, struct gtid_set *set)
{
    struct gtid_source source;
    bool pending = true; /* an interval must follow */
    int err;
    memset(&source, 0, sizeof source);
    err = uuid_take(c, source.uuid);
    while (err == 0 && take(c, ':')) {
        skip_blank(c);
        pending = is_tag_start(*c->at);
        err = pending ? tag_take(c, source.tag) : interval_take(c, set, &source);
    }
    if (err == 0 && pending)
        err = ERR_FORMAT;
    return err;
}

/* --- MariaDB ---------------------------------------------------------------------------------- */

static int triple_take(struct cursor *c, struct gtid *ret_gtid)
{
    struct gtid g;
    uint64_t domain = 0, server_id = 0;
    int err = number(c, UINT32_MAX, &domain);
    memset(&g, 0, sizeof g);
    g.flavour = GTID_MARIADB;
    if (err == 0 && !take(c, '-'))
        err = ERR_FORMAT;
    if (err == 0)
        err = number(c, UINT32_MAX, &server_id);
    if (err == 0 && !take(c, '-'))
        err = ERR_FORMAT;
    if (err == 0)
        err = number(c, UINT64_MAX, &g.number);
    if (err != 0)
        return err;
    g.domain = (uint32_t)domain;
    g.server_id = (uint32_t)server_id;
    *ret_gtid = g;
    return 0;
}

static int entry_take(struct cursor *c, struct gtid_set *set)
{
    struct gtid g;
    int err = triple_take(c, &g);
    /* Number 0 is how a server writes "nothing of this domain yet". */
    if (err != 0 || g.number == 0)
        return err;
    return gtid_add(set, &g);
}

/* --- both ------------------------------------------------------------------------------------- */

int gtid_parse(const char *text, enum gtid_flavour flavour, struct gtid_set *ret_set)
{
    struct gtid_set set;
    struct cursor c = {text != NULL ? text : ""};
    int err = 0;
    gtid_init(&set, flavour);
    skip_blank(&c);
    if (*c.at != '\0')
        do {
            err = flavour == GTID_MYSQL ? source_take(&c, &set) : entry_take(&c, &set);
        } while (err == 0 && take(&c, ','));
    skip_blank(&c);
    if (err == 0 && *c.at != '\0')
        err = ERR_FORMAT;
    if (err == 0)
        *ret_set = set;
    return err;
}

int gtid_parse_one(const char *text, enum gtid_flavour flavour, struct gtid *ret_gtid)
{
    struct cursor c = {text};
    struct gtid g;
    int err;
    memset(&g, 0, sizeof g);
    if (flavour != GTID_MYSQL) {
        err = triple_take(&c, &g);
    } else {
        g.flavour = GTID_MYSQL;
        err = uuid_take(&c, g.uuid);
        if (err == 0 && !take(&c, ':'))
            err = ERR_FORMAT;
        if (err == 0 && is_tag_start(*c.at)) {
            err = tag_take(&c, g.tag);
            if (err == 0 && !take(&c, ':'))
                err = ERR_FORMAT;
        }
        if (err == 0)
            err = number(&c, INT64_MAX - 1, &g.number);
    }
    skip_blank(&c);
    if (err == 0 && (*c.at != '\0' || g.number == 0))
        err = ERR_FORMAT;
    if (err == 0)
        *ret_gtid = g;
    return err;
}

struct text {
    char *buf;
    size_t size;
    size_t used;
    bool full;
};

static void put(struct text *t, const char *s)
{
    size_t n = strlen(s);
    if (t->full || n >= t->size - t->used) {
        t->full = true;
        return;
    }
    memcpy(t->buf + t->used, s, n + 1);
    t->used += n;
}

static void put_number(struct text *t, uint64_t v)
{
    char digits[24];
    (void)snprintf(digits, sizeof digits, "%llu", (unsigned long long)v);
    put(t, digits);
}

static void put_uuid(struct text *t, const uint8_t *uuid)
{
    static const char hex[] = "0123456789abcdef";
    char out[37];
    size_t n = 0;
    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            out[n++] = '-';
        out[n++] = hex[uuid[i] >> 4];
        out[n++] = hex[uuid[i] & 15];
    }
    out[n] = '\0';
    put(t, out);
}

static void put_entry(struct text *t, uint32_t domain, uint32_t server_id, uint64_t n)
{
    put_number(t, domain);
    put(t, "-");
    put_number(t, server_id);
    put(t, "-");
    put_number(t, n);
}

static void put_mysql(struct text *t, const struct gtid_set *set)
{
    const struct gtid_source *before = NULL;
    for (unsigned i = 0; i < set->interval_count; i++) {
        const struct gtid_interval *v = &set->intervals[i];
        const struct gtid_source *source = &set->sources[v->source];
        if (before == NULL || memcmp(before->uuid, source->uuid, sizeof source->uuid) != 0) {
            put(t, i > 0 ? "," : "");
            put_uuid(t, source->uuid);
            before = NULL;
        }
        if (source != before && source->tag[0] != '\0') {
            put(t, ":");
            put(t, source->tag);
        }
        put(t, ":");
        put_number(t, v->first);
        if (v->last > v->first) {
            put(t, "-");
            put_number(t, v->last);
        }
        before = source;
    }
}

int gtid_format(const struct gtid_set *set, char *buf, size_t size)
{
    struct text t = {.buf = buf, .size = size};
    if (size == 0)
        return ERR_FULL;
    buf[0] = '\0';
    if (set->flavour == GTID_MYSQL)
        put_mysql(&t, set);
    else
        for (unsigned i = 0; i < set->interval_count; i++) {
            put(&t, i > 0 ? "," : "");
            put_entry(&t, set->intervals[i].source, set->intervals[i].server_id,
                      set->intervals[i].last);
        }
    if (t.full)
        buf[0] = '\0';
    return t.full ? ERR_FULL : 0;
}

const char *gtid_format_one(const struct gtid *gtid, char *buf, size_t size)
{
    struct text t = {.buf = buf, .size = size};
    if (size == 0)
        return "";
    buf[0] = '\0';
    if (gtid->flavour == GTID_MYSQL) {
        put_uuid(&t, gtid->uuid);
        put(&t, ":");
        if (gtid->tag[0] != '\0') {
            put(&t, gtid->tag);
            put(&t, ":");
        }
        put_number(&t, gtid->number);
    } else {
        put_entry(&t, gtid->domain, gtid->server_id, gtid->number);
    }
    return buf;
}
