/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>

#include "sim/action.h"
#include "sim/condition.h"
#include "sim/scenario.h"
#include "sim/topology.h"

#define TEXT_MAX 1024

static void when_write(const struct statement *st, char *buf, unsigned size)
{
    char time[32];
    buf[0] = '\0';
    word_time_format(st->when_arg, time, sizeof time);
    if (st->when == WHEN_AT)
        (void)snprintf(buf, size, "at %s ", time);
    else if (st->when == WHEN_AFTER)
        (void)snprintf(buf, size, "after %s ", time);
    else if (st->when == WHEN_EFFECT)
        (void)snprintf(buf, size, "at effect %" PRId64 " ", st->when_arg);
}

static void how_write(const struct statement *st, char *buf, unsigned size)
{
    char time[32];
    word_time_format(st->how_ms, time, sizeof time);
    if (st->kind == STATEMENT_ACTION)
        buf[0] = '\0';
    else if (st->how == HOW_NOW)
        (void)snprintf(buf, size, "expect ");
    else
        (void)snprintf(buf, size, "%s %s expect ", st->how == HOW_WITHIN ? "within" : "for", time);
}

static const char *pattern_of(const struct statement *st)
{
    return st->kind == STATEMENT_ACTION ? action_patterns[st->index]
                                        : condition_patterns[st->index];
}

void statement_write(const struct statement *st, const struct cluster_config *cfg, char *buf,
                     unsigned size)
{
    char when[48], how[48], phrase[256];
    when_write(st, when, sizeof when);
    how_write(st, how, sizeof how);
    phrase_write(pattern_of(st), &st->args, cfg, phrase, sizeof phrase);
    (void)snprintf(buf, size, "%s%s%s%s%s", when, how, phrase, st->asked ? " asked at " : "",
                   st->asked ? target_text(&st->asked_at, cfg) : "");
}

/* Options that differ from what the profile gives. */
static void settings_write(const struct cluster_config *cfg, FILE *f)
{
    struct cluster_config standard = *cfg;
    struct setting timeout = {.option = setting_named("election_timeout")};
    topology_standard(&standard);
    if (cfg->arbiter.profile != CONFIG_PROFILE_LAN)
        fprintf(f, "profile %s\n", config_profile_text(cfg->arbiter.profile));
    timeout.value = setting_get(cfg, timeout.option);
    for (unsigned i = 0; i < setting_count(); i++) {
        struct setting s = {.option = i};
        char text[128];
        if (!setting_is_usable(i))
            continue;
        s.value = setting_get(cfg, i);
        if (s.value == setting_get(&standard, i))
            continue;
        if (i == timeout.option)
            setting_apply(&standard, &timeout);
        setting_format(&s, text, sizeof text);
        fprintf(f, "%s\n", text);
    }
}

/* The interval comes first: the other times of a pair follow from it. */
static void pair_write(const struct cluster_config *cfg, FILE *f)
{
    struct setting interval = {.option = setting_named("advert_interval")};
    struct cluster_config plain;
    char text[128];
    topology_clear(&plain);
    interval.value = setting_get(cfg, interval.option);
    setting_format(&interval, text, sizeof text);
    if (interval.value != setting_get(&plain, interval.option))
        fprintf(f, "%s\n", text);
    fprintf(f, "arbiter vrrp\n");
}

static void heading_write(const struct scenario *s, FILE *f)
{
    struct cluster_config standard = s->cfg;
    char text[TEXT_MAX];
    fprintf(f, "%s %" PRIu64 "\n", s->drawn ? "drawn by" : "seed", s->seed);
    if (s->in_lab)
        fprintf(f, "also in the lab\n");
    topology_write(&s->cfg, text, sizeof text);
    fprintf(f, "cluster %s\n", text);
    topology_default_voters(&standard);
    if (!config_is_pair(&s->cfg) && standard.arbiter.voters != s->cfg.arbiter.voters) {
        topology_write_voters(&s->cfg, text, sizeof text);
        fprintf(f, "voters %s\n", text);
    }
    if (s->breach[0] != '\0')
        fprintf(f, "demonstrates %s\n", s->breach);
    if (config_is_pair(&s->cfg))
        pair_write(&s->cfg, f);
    settings_write(&s->cfg, f);
}

void scenario_write(const struct scenario *s, FILE *f)
{
    heading_write(s, f);
    for (unsigned i = 0; i < s->n_statements; i++) {
        char text[TEXT_MAX];
        statement_write(&s->statements[i], &s->cfg, text, sizeof text);
        fprintf(f, "%s\n", text);
    }
}

/* ---- JSON ---- */

static const char *kind_name(const struct statement *st)
{
    static const char *const actions[] = {
#define ACTION(name, traits, pattern, run, help) #name,
#include "sim/actions.def"
#undef ACTION
    };
    static const char *const conditions[] = {
#define CONDITION(name, pattern, check, help) #name,
#include "sim/conditions.def"
#undef CONDITION
    };
    return st->kind == STATEMENT_ACTION ? actions[st->index] : conditions[st->index];
}

static void statement_write_json(const struct scenario *s, const struct statement *st, FILE *f)
{
    static const char *const whens[] = {"now", "at", "after", "effect"};
    static const char *const hows[] = {"now", "within", "for"};
    fprintf(f,
            "  {\"line\": %u, \"kind\": \"%s\", \"name\": \"%s\", \"when\": \"%s\", \"when_ms\": "
            "%" PRId64 ", \"how\": \"%s\", \"how_ms\": %" PRId64
            ", \"a\": \"%s\", \"b\": \"%s\", \"number\": %" PRId64
            ", \"text\": \"%s\", \"asked_at\": \"%s\"}",
            st->line, st->kind == STATEMENT_ACTION ? "action" : "expect", kind_name(st),
            whens[st->when], st->when_arg, hows[st->how], st->how_ms,
            target_text(&st->args.a, &s->cfg), target_text(&st->args.b, &s->cfg), st->args.number,
            st->args.text, st->asked ? target_text(&st->asked_at, &s->cfg) : "");
}

static void settings_write_json(const struct cluster_config *cfg, FILE *f)
{
    struct cluster_config standard = *cfg;
    bool first = true;
    topology_standard(&standard);
    for (unsigned i = 0; i < setting_count(); i++) {
        struct setting s = {.option = i};
        char text[128];
        if (!setting_is_usable(i))
            continue;
        s.value = setting_get(cfg, i);
        if (s.value == setting_get(&standard, i))
            continue;
        setting_format_path(&s, text, sizeof text);
        fprintf(f, "%s\"%s\"", first ? "" : ", ", text);
        first = false;
    }
}

/* Names and texts hold no quotes and no backslashes: the language has no way to write them. */
void scenario_write_json(const struct scenario *s, FILE *f)
{
    char text[TEXT_MAX];
    topology_write(&s->cfg, text, sizeof text);
    fprintf(f, "{\"name\": \"%s\", \"in_lab\": %s, \"cluster\": \"%s\", \"settings\": [", s->name,
            s->in_lab ? "true" : "false", text);
    settings_write_json(&s->cfg, f);
    fprintf(f, "], \"statements\": [\n");
    for (unsigned i = 0; i < s->n_statements; i++) {
        statement_write_json(s, &s->statements[i], f);
        fprintf(f, "%s\n", i + 1 < s->n_statements ? "," : "");
    }
    fprintf(f, "]}\n");
}
