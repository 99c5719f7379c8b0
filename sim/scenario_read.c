/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "sim/action.h"
#include "sim/condition.h"
#include "sim/scenario.h"
#include "sim/topology.h"

#define TIME_ALLOWED "a time (250ms, 2s)"

struct reader {
    struct scenario *s;
    struct words w;
    unsigned line;
    bool body; /* a statement was read: the heading is over */
    struct errmsg *msg;
};

struct statement *scenario_add(struct scenario *s, enum statement_kind kind, unsigned index)
{
    struct statement *st;
    if (s->n_statements == STATEMENTS_MAX)
        return NULL;
    st = &s->statements[s->n_statements++];
    memset(st, 0, sizeof *st);
    st->kind = (uint8_t)kind;
    st->index = index;
    return st;
}

struct statement *scenario_add_at(struct scenario *s, unsigned action, int64_t at_ms)
{
    struct statement *st = scenario_add(s, STATEMENT_ACTION, action);
    assert(st != NULL);
    st->when = WHEN_AT;
    st->when_arg = at_ms;
    return st;
}

/* ---- the heading ---- */

static int read_setting(struct reader *r, const char *block)
{
    struct setting setting;
    int err;
    if (r->w.count != 4 || !words_is(&r->w, 2, "="))
        return errmsg_set(r->msg, ERR_FORMAT, "allowed: %s NAME = VALUE", block);
    err = setting_parse(block, r->w.at[1], r->w.at[3], &setting, r->msg);
    if (err == 0)
        setting_apply(&r->s->cfg, &setting);
    return err;
}

static int read_cluster(struct reader *r)
{
    if (r->s->cfg.n_nodes > 0)
        return errmsg_set(r->msg, ERR_FORMAT, "there is a cluster already");
    return topology_read(&r->s->cfg, &r->w, r->msg);
}

static int read_profile(struct reader *r)
{
    for (int i = 0; i < CONFIG_PROFILE_COUNT && r->w.count == 2; i++) {
        if (!words_is(&r->w, 1, config_profile_text(i)))
            continue;
        settings_default(&r->s->cfg, i);
        return 0;
    }
    return errmsg_set(r->msg, ERR_FORMAT, "allowed: profile lan, profile fast");
}

static int read_seed(struct reader *r)
{
    int64_t seed;
    bool drawn = words_is(&r->w, 0, "drawn");
    unsigned at = drawn ? 2 : 1;
    if (r->w.count != at + 1 || (drawn && !words_is(&r->w, 1, "by")) ||
        !word_number(r->w.at[at], &seed))
        return errmsg_set(r->msg, ERR_FORMAT, "allowed: seed NUMBER, drawn by NUMBER");
    r->s->seed = (uint64_t)seed;
    r->s->drawn = drawn;
    return 0;
}

static int read_lab(struct reader *r)
{
    if (r->w.count != 4 || !words_is(&r->w, 1, "in") || !words_is(&r->w, 2, "the") ||
        !words_is(&r->w, 3, "lab"))
        return errmsg_set(r->msg, ERR_FORMAT, "allowed: also in the lab");
    r->s->in_lab = true;
    return 0;
}

/* What a pair cannot keep is shown, not hidden. */
static int read_breach(struct reader *r)
{
    if (r->w.count != 2 || strlen(r->w.at[1]) >= SCENARIO_BREACH_MAX)
        return errmsg_set(r->msg, ERR_FORMAT, "allowed: demonstrates RULE, such as S1");
    (void)snprintf(r->s->breach, sizeof r->s->breach, "%s", r->w.at[1]);
    return 0;
}

/* The times of a pair come from it. */
static int read_vrrp(struct reader *r)
{
    if (config_is_pair(&r->s->cfg))
        return errmsg_set(r->msg, ERR_FORMAT, "it belongs above `arbiter vrrp`");
    if (!words_is(&r->w, 1, "advert_interval"))
        return errmsg_set(r->msg, ERR_FORMAT, "allowed: vrrp advert_interval = VALUE");
    return read_setting(r, "vrrp");
}

/* 1: it is no line of the heading. */
static int read_heading(struct reader *r)
{
    const struct words *w = &r->w;
    if (words_is(w, 0, "cluster"))
        return read_cluster(r);
    if (words_is(w, 0, "voters"))
        return topology_read_voters(&r->s->cfg, w, r->msg);
    if (words_is(w, 0, "arbiter") && words_is(w, 1, "vrrp") && w->count == 2)
        return topology_make_pair(&r->s->cfg, r->msg);
    if (words_is(w, 0, "demonstrates"))
        return read_breach(r);
    if (words_is(w, 0, "policy") || words_is(w, 0, "arbiter"))
        return read_setting(r, w->at[0]);
    if (words_is(w, 0, "vrrp"))
        return read_vrrp(r);
    if (words_is(w, 0, "profile"))
        return read_profile(r);
    if (words_is(w, 0, "seed") || words_is(w, 0, "drawn"))
        return read_seed(r);
    if (words_is(w, 0, "also"))
        return read_lab(r);
    return 1;
}

/* ---- statements ---- */

static int read_time(struct reader *r, unsigned *at, int64_t *ret_ms)
{
    if (!word_time(words_at(&r->w, *at + 1), ret_ms))
        return errmsg_set(r->msg, ERR_FORMAT, "'%.40s' is not understood after '%s'; allowed: %s",
                          words_at(&r->w, *at + 1), r->w.at[*at], TIME_ALLOWED);
    *at += 2;
    return 0;
}

/* at TIME | after TIME | at effect NUMBER */
static int read_when(struct reader *r, unsigned *at, struct statement *st)
{
    if (words_is(&r->w, *at, "at") && words_is(&r->w, *at + 1, "effect")) {
        st->when = WHEN_EFFECT;
        if (!word_number(words_at(&r->w, *at + 2), &st->when_arg) || st->when_arg == 0)
            return errmsg_set(r->msg, ERR_FORMAT, "'at effect' needs a number, from 1 on");
        *at += 3;
        return 0;
    }
    if (words_is(&r->w, *at, "at"))
        st->when = WHEN_AT;
    else if (words_is(&r->w, *at, "after"))
        st->when = WHEN_AFTER;
    else
        return 0;
    return read_time(r, at, &st->when_arg);
}

/* [within TIME | for TIME] expect CONDITION */
static int read_expectation(struct reader *r, unsigned at, struct statement *st)
{
    struct phrase_found found = {.cfg = &r->s->cfg};
    int err = 0;
    if (words_is(&r->w, at, "within"))
        st->how = HOW_WITHIN;
    else if (words_is(&r->w, at, "for"))
        st->how = HOW_FOR;
    if (st->how != HOW_NOW)
        err = read_time(r, &at, &st->how_ms);
    if (err != 0)
        return err;
    if (!words_is(&r->w, at, "expect"))
        return errmsg_set(r->msg, ERR_FORMAT,
                          "'%.60s' is not understood after '%s'; allowed: expect",
                          words_at(&r->w, at), words_at(&r->w, at - 1));
    if (st->when == WHEN_EFFECT)
        return errmsg_set(r->msg, ERR_FORMAT, "'at effect' is for actions only");
    err = phrase_read(condition_patterns, CONDITION_COUNT, &r->w, at + 1, &found, r->msg);
    st->kind = STATEMENT_EXPECT;
    st->index = found.index;
    st->args = found.args;
    return err;
}

static int read_asked(struct reader *r, struct statement *st)
{
    struct words *w = &r->w;
    if (w->count < 4 || !words_is(w, w->count - 3, "asked") || !words_is(w, w->count - 2, "at"))
        return 0;
    if (!target_read(w->at[w->count - 1], &r->s->cfg, &st->asked_at))
        return errmsg_set(r->msg, ERR_FORMAT, "'%.60s' is no node", w->at[w->count - 1]);
    st->asked = true;
    w->count -= 3;
    return 0;
}

static int read_action(struct reader *r, unsigned at, struct statement *st)
{
    struct phrase_found found = {.cfg = &r->s->cfg};
    int err = read_asked(r, st);
    if (err == 0)
        err = phrase_read(action_patterns, ACTION_COUNT, &r->w, at, &found, r->msg);
    if (err != 0)
        return err;
    if (st->asked && (action_traits(found.index) & ACTION_ORDER) == 0)
        return errmsg_set(r->msg, ERR_FORMAT, "'asked at' belongs to orders only");
    st->index = found.index;
    st->args = found.args;
    return 0;
}

static int read_statement(struct reader *r)
{
    struct statement *st = scenario_add(r->s, STATEMENT_ACTION, 0);
    unsigned at = 0;
    int err;
    if (st == NULL)
        return errmsg_set(r->msg, ERR_FULL, "more than %d statements", STATEMENTS_MAX);
    st->line = r->line;
    if (!r->body) {
        r->body = true;
        err = topology_check(&r->s->cfg, r->msg);
        if (err != 0)
            return err;
    }
    err = read_when(r, &at, st);
    if (err != 0)
        return err;
    if (words_is(&r->w, at, "expect") || words_is(&r->w, at, "within") ||
        words_is(&r->w, at, "for"))
        return read_expectation(r, at, st);
    return read_action(r, at, st);
}

static int read_line(struct reader *r, const char *line)
{
    int err = words_cut(&r->w, line, r->msg);
    if (err != 0 || r->w.count == 0)
        return err;
    err = read_heading(r);
    if (err != 1) {
        if (err == 0 && r->body)
            return errmsg_set(r->msg, ERR_FORMAT, "'%s' belongs above the first statement",
                              r->w.at[0]);
        return err;
    }
    if (r->s->cfg.n_nodes == 0)
        return errmsg_set(r->msg, ERR_FORMAT,
                          "'%.60s' before there is a cluster; allowed: cluster, "
                          "voters, policy, arbiter, vrrp, profile, seed, drawn, also",
                          r->w.at[0]);
    return read_statement(r);
}

int scenario_read(struct scenario *s, const char *name, const char *text, struct errmsg *msg)
{
    struct reader r = {.s = s, .msg = msg};
    memset(s, 0, sizeof *s);
    (void)snprintf(s->name, sizeof s->name, "%s", name);
    s->seed = 1;
    topology_clear(&s->cfg);
    while (*text != '\0') {
        char line[LINE_MAX_BYTES];
        size_t len = strcspn(text, "\n");
        int err;
        r.line++;
        (void)snprintf(line, sizeof line, "%.*s", (int)len, text);
        err = len < sizeof line ? read_line(&r, line)
                                : errmsg_set(msg, ERR_FORMAT, "the line is too long");
        if (err != 0)
            return errmsg_wrap(msg, err, "%s:%u", name, r.line);
        text += len + (text[len] == '\n');
    }
    if (s->n_statements == 0)
        return errmsg_set(msg, ERR_FORMAT, "%s:%u: nothing is done and nothing expected", name,
                          r.line);
    return 0;
}
