/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/setting.h"

#include <assert.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "core/arbiter_timing.h"
#include "sim/words.h"

enum kind {
#define KIND(name, text, allowed) KIND_##name,
#include "io/config/option_kind.def"
#undef KIND
};

struct option {
    const char *block, *name;
    enum kind kind;
    size_t offset;
    const char *standard, *fast; /* NULL: none, not another one */
    int64_t min, max;
};

static const struct option options[] = {
#define CLUSTER_OPTION(block, name, kind, field, standard, fast, min, max, change, help) \
    {block, name, KIND_##kind, offsetof(struct cluster_config, field), standard, fast, min, max},
#define NODE_OPTION(block, name, node_name, kind, field, standard, fast, min, max, change, help)
#define VIP_OPTION(name, kind, field, standard, min, max, change, help)
#include "io/config/config.def"
#undef CLUSTER_OPTION
#undef NODE_OPTION
#undef VIP_OPTION
};

/* Of the kinds that are one of some words: the text of each value, NULL behind the last one. */
static const char *value_word(enum kind kind, int value)
{
    if (kind == KIND_DURABILITY && value < CONFIG_DURABILITY_COUNT)
        return config_durability_text(value);
    return kind == KIND_REJOIN && value < CONFIG_REJOIN_COUNT ? config_rejoin_text(value) : NULL;
}

static bool is_word(const struct option *o)
{
    return value_word(o->kind, 0) != NULL;
}

unsigned setting_count(void)
{
    return sizeof options / sizeof *options;
}

bool setting_is_usable(unsigned option)
{
    const struct option *o = &options[option];
    bool simple =
        o->kind == KIND_DURATION || o->kind == KIND_COUNT || o->kind == KIND_FLAG || is_word(o);
    return simple && o->block[0] != '\0';
}

unsigned setting_named(const char *name)
{
    for (unsigned i = 0; i < setting_count(); i++) {
        if (setting_is_usable(i) && strcmp(options[i].name, name) == 0)
            return i;
    }
    assert(false && "no such option");
    return 0;
}

static void put(struct cluster_config *cfg, const struct option *o, int64_t value)
{
    char *at = (char *)cfg + o->offset;
    uint32_t number = (uint32_t)value;
    int word = (int)value;
    bool flag = value != 0;
    if (o->kind == KIND_FLAG)
        memcpy(at, &flag, sizeof flag);
    else if (is_word(o))
        memcpy(at, &word, sizeof word);
    else
        memcpy(at, &number, sizeof number);
}

int64_t setting_get(const struct cluster_config *cfg, unsigned option)
{
    const struct option *o = &options[option];
    const char *at = (const char *)cfg + o->offset;
    uint32_t number;
    int word;
    bool flag;
    if (o->kind == KIND_FLAG) {
        memcpy(&flag, at, sizeof flag);
        return flag;
    }
    if (is_word(o)) {
        memcpy(&word, at, sizeof word);
        return word;
    }
    memcpy(&number, at, sizeof number);
    return number;
}

static bool parse_word(enum kind kind, const char *text, int64_t *ret_value)
{
    for (int i = 0; value_word(kind, i) != NULL; i++) {
        *ret_value = i;
        if (strcmp(text, value_word(kind, i)) == 0)
            return true;
    }
    return false;
}

static bool parse_value(const struct option *o, const char *text, int64_t *ret_value)
{
    if (is_word(o))
        return parse_word(o->kind, text, ret_value);
    switch (o->kind) {
    case KIND_FLAG:
        *ret_value = strcmp(text, "true") == 0;
        return *ret_value != 0 || strcmp(text, "false") == 0;
    case KIND_DURATION:
        if (word_time(text, ret_value))
            return true;
        return word_number(text, ret_value);
    default:
        return word_number(text, ret_value);
    }
}

static void scale_with_timeout(struct cluster_config *cfg)
{
    struct config_arbiter *a = &cfg->arbiter;
    struct arbiter_timing t = arbiter_timing_scaled((enum arbiter_profile)a->profile,
                                                    (int64_t)a->election_timeout_ms * 1000);
    a->heartbeat_ms = (uint32_t)(t.heartbeat_us / 1000);
    a->candidate_delta_ms = (uint32_t)(t.candidate_delta_us / 1000);
    a->margin_ms = (uint32_t)(t.margin_us / 1000);
}

void settings_default(struct cluster_config *cfg, int profile)
{
    cfg->arbiter.profile = profile;
    for (unsigned i = 0; i < setting_count(); i++) {
        const struct option *o = &options[i];
        bool fast = profile == CONFIG_PROFILE_FAST && o->fast != NULL;
        int64_t value = 0;
        if (!setting_is_usable(i))
            continue;
        if (!parse_value(o, fast ? o->fast : o->standard, &value))
            assert(false && "the table holds a default that is none");
        put(cfg, o, value);
    }
}

static int not_found(const char *block, const char *name, struct errmsg *msg)
{
    char list[400] = "";
    size_t len = 0;
    for (unsigned i = 0; i < setting_count() && len < sizeof list; i++) {
        if (setting_is_usable(i) && strcmp(options[i].block, block) == 0)
            len += (size_t)snprintf(list + len, sizeof list - len, "%s%s", len == 0 ? "" : ", ",
                                    options[i].name);
    }
    return errmsg_set(msg, ERR_NOTFOUND, "no option '%s' in %s; allowed: %.380s", name, block,
                      list);
}

static int refused_word(const struct option *o, const char *value, struct errmsg *msg)
{
    char list[100] = "";
    size_t len = 0;
    for (int i = 0; value_word(o->kind, i) != NULL && len < sizeof list; i++)
        len += (size_t)snprintf(list + len, sizeof list - len, "%s%s", len == 0 ? "" : ", ",
                                value_word(o->kind, i));
    return errmsg_set(msg, ERR_INVAL, "%s is '%s'; allowed: %s", o->name, value, list);
}

static int refused(const struct option *o, const char *value, struct errmsg *msg)
{
    if (o->kind == KIND_FLAG)
        return errmsg_set(msg, ERR_INVAL, "%s is '%s'; allowed: true, false", o->name, value);
    if (is_word(o))
        return refused_word(o, value, msg);
    return errmsg_set(msg, ERR_INVAL, "%s is '%s'; allowed: %" PRId64 " to %" PRId64 "%s", o->name,
                      value, o->min, o->max, o->kind == KIND_DURATION ? " ms, as 250ms or 2s" : "");
}

int setting_parse(const char *block, const char *name, const char *value,
                  struct setting *ret_setting, struct errmsg *msg)
{
    for (unsigned i = 0; i < setting_count(); i++) {
        const struct option *o = &options[i];
        struct setting s = {.option = i};
        bool number = o->kind == KIND_DURATION || o->kind == KIND_COUNT;
        if (!setting_is_usable(i) || strcmp(o->block, block) != 0 || strcmp(o->name, name) != 0)
            continue;
        if (!parse_value(o, value, &s.value) || (number && (s.value < o->min || s.value > o->max)))
            return refused(o, value, msg);
        *ret_setting = s;
        return 0;
    }
    return not_found(block, name, msg);
}

void setting_apply(struct cluster_config *cfg, const struct setting *s)
{
    const struct option *o = &options[s->option];
    put(cfg, o, s->value);
    if (o->offset == offsetof(struct cluster_config, arbiter.election_timeout_ms))
        scale_with_timeout(cfg);
}

static void value_format(const struct setting *s, bool units, char *buf, unsigned size)
{
    const struct option *o = &options[s->option];
    if (o->kind == KIND_FLAG)
        (void)snprintf(buf, size, "%s", s->value != 0 ? "true" : "false");
    else if (is_word(o))
        (void)snprintf(buf, size, "%s", value_word(o->kind, (int)s->value));
    else if (o->kind == KIND_DURATION && units)
        word_time_format(s->value, buf, size);
    else
        (void)snprintf(buf, size, "%" PRId64, s->value);
}

void setting_format(const struct setting *s, char *buf, unsigned size)
{
    const struct option *o = &options[s->option];
    char value[32];
    value_format(s, /* units= */ true, value, sizeof value);
    (void)snprintf(buf, size, "%s %s = %s", o->block, o->name, value);
}

void setting_format_path(const struct setting *s, char *buf, unsigned size)
{
    const struct option *o = &options[s->option];
    char value[32];
    value_format(s, /* units= */ false, value, sizeof value);
    (void)snprintf(buf, size, "%s.%s=%s", o->block, o->name, value);
}

int settings_check(const struct cluster_config *cfg, struct errmsg *msg)
{
    const struct config_arbiter *a = &cfg->arbiter;
    struct arbiter_timing t = {.election_timeout_us = (int64_t)a->election_timeout_ms * 1000,
                               .heartbeat_us = (int64_t)a->heartbeat_ms * 1000,
                               .candidate_delta_us = (int64_t)a->candidate_delta_ms * 1000,
                               .margin_us = (int64_t)a->margin_ms * 1000,
                               .tick_us = (int64_t)a->tick_ms * 1000,
                               .round_trip_us = (int64_t)a->rtt_ms * 1000};
    unsigned candidates = 0;
    for (unsigned i = 0; i < cfg->n_nodes; i++)
        candidates += cfg->nodes[i].role == CONFIG_ROLE_CANDIDATE;
    return arbiter_timing_check(&t, candidates, msg);
}
