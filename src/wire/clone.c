/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/clone.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/gtid.h"

void clone_report_init(struct clone_report *r)
{
    memset(r, 0, sizeof *r);
    r->peer = NODE_NONE;
}

void clone_report_codec(struct codec *c, struct clone_report *r)
{
    codec_enum(c, &r->state, CLONE_STATE_COUNT);
    codec_u8(c, &r->peer);
    codec_u64(c, &r->bytes);
    codec_u64(c, &r->bytes_total);
    codec_u32(c, &r->rate_kib);
    codec_text(c, r->position, sizeof r->position);
    codec_text(c, r->error, sizeof r->error);
    if (!c->encode && c->err == 0 && r->peer >= NODES_MAX && r->peer != NODE_NONE)
        c->err = ERR_FORMAT;
}

const char *clone_state_text(int state)
{
    static const char *const texts[CLONE_STATE_COUNT] = {
        "none", "giving", "receiving", "preparing", "ready", "placed", "adopted", "failed"};
    return state >= 0 && state < CLONE_STATE_COUNT ? texts[state] : "invalid";
}

uint32_t clone_left_s(const struct clone_report *r)
{
    uint64_t left_kib;
    if (r->bytes_total < r->bytes || r->bytes_total == 0 || r->rate_kib == 0)
        return UINT32_MAX;
    left_kib = (r->bytes_total - r->bytes) / 1024;
    left_kib /= r->rate_kib;
    return left_kib < UINT32_MAX ? (uint32_t)left_kib : UINT32_MAX - 1;
}

/* ---- lines ---- */

/* Decimal digits only, then a blank or the end. */
static bool clone_number(const char **at, uint64_t *ret_value)
{
    char *end;
    if (**at < '0' || **at > '9')
        return false;
    *ret_value = strtoull(*at, &end, 10);
    if (*end != ' ' && *end != '\0')
        return false;
    *at = *end == ' ' ? end + 1 : end;
    return true;
}

static bool clone_progress(struct clone_report *r, const char *at)
{
    uint64_t bytes, total;
    if (!clone_number(&at, &bytes) || !clone_number(&at, &total) || *at != '\0')
        return false;
    r->bytes = bytes;
    r->bytes_total = total;
    return true;
}

static bool clone_giving(struct clone_report *r, const char *at)
{
    uint64_t total;
    if (!clone_number(&at, &total) || *at != '\0')
        return false;
    r->state = CLONE_GIVING;
    r->bytes_total = total;
    return true;
}

/* A word, or a word and a blank: what is behind it. */
static const char *clone_word(const char *line, const char *word)
{
    size_t n = strlen(word);
    if (strncmp(line, word, n) != 0 || (line[n] != '\0' && line[n] != ' '))
        return NULL;
    return line[n] == ' ' ? line + n + 1 : line + n;
}

bool clone_line(struct clone_report *r, const char *line)
{
    const char *rest;
    if ((rest = clone_word(line, "progress")) != NULL)
        return clone_progress(r, rest);
    if ((rest = clone_word(line, "giving")) != NULL)
        return clone_giving(r, rest);
    if ((rest = clone_word(line, "ready")) != NULL) {
        r->state = CLONE_READY;
        (void)snprintf(r->position, sizeof r->position, "%s", rest);
    } else if ((rest = clone_word(line, "failed")) != NULL) {
        r->state = CLONE_FAILED;
        (void)snprintf(r->error, sizeof r->error, "%s", rest);
    } else if (strcmp(line, "preparing") == 0) {
        r->state = CLONE_PREPARING;
    } else if (strcmp(line, "placed") == 0) {
        r->state = CLONE_PLACED;
    } else if (strcmp(line, "none") == 0) {
        clone_report_init(r);
    } else {
        return false;
    }
    return true;
}

int clone_info_position(const char *text, char *ret_position, size_t size)
{
    struct gtid_set set;
    char copy[GTID_TEXT_MAX];
    const char *at = strchr(text, '\t');
    size_t len;
    int err;
    at = at != NULL ? strchr(at + 1, '\t') : NULL;
    if (at == NULL)
        return ERR_FORMAT;
    len = strcspn(at + 1, "\r\n");
    if (len >= sizeof copy)
        return ERR_FULL; /* a number that is cut short would be another position */
    memcpy(copy, at + 1, len);
    copy[len] = '\0';
    err = gtid_parse(copy, GTID_MARIADB, &set);
    return err != 0 ? err : gtid_format(&set, ret_position, size);
}

/* ---- the binlog's state of a copy ---- */

static int clone_append(char *buf, size_t size, const struct gtid_interval *e)
{
    size_t used = strlen(buf);
    int n = snprintf(buf + used, size - used, "%s%" PRIu32 "-%" PRIu32 "-%" PRIu64,
                     used > 0 ? "," : "", e->source, e->server_id, e->last);
    return n < 0 || (size_t)n >= size - used ? ERR_FULL : 0;
}

static int clone_domain(const struct gtid_set *state, const struct gtid_interval *end, char *buf,
                        size_t size)
{
    for (unsigned i = 0; i < state->interval_count; i++) {
        const struct gtid_interval *e = &state->intervals[i];
        int err;
        if (e->source != end->source || e->server_id == end->server_id)
            continue;
        if (e->last > end->last)
            return ERR_STALE;
        err = clone_append(buf, size, e);
        if (err != 0)
            return err;
    }
    return clone_append(buf, size, end);
}

int clone_binlog_state(const char *later, const char *position, char *ret_text, size_t size)
{
    struct gtid_set state, ends;
    char text[GTID_TEXT_MAX] = "";
    int err = gtid_parse(later, GTID_MARIADB_STATE, &state);
    if (err == 0)
        err = gtid_parse(position, GTID_MARIADB, &ends);
    for (unsigned i = 0; err == 0 && i < ends.interval_count; i++)
        err = clone_domain(&state, &ends.intervals[i], text, sizeof text);
    if (err != 0)
        return err;
    if (strlen(text) >= size)
        return ERR_FULL;
    memcpy(ret_text, text, strlen(text) + 1);
    return 0;
}
