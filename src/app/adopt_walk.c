/* SPDX-License-Identifier: Apache-2.0 */
#include "app/adopt_walk.h"

#include "core/adopt_gtid.h"
#include "io/mysql/survey.h"

#define WALK_POLL_MS 200
/* A commit that waits for a semi-sync acknowledgement is on replicas before its own server shows
 * it, for as long as the wait may last: 10 s where nobody has set it. What a replica seems to hold
 * alone is believed after this. */
#define WALK_EXTRA_US 15000000
#define WALK_STEPS_MAX (16 * SURVEY_SERVERS_MAX)

struct walk {
    struct adopt_sites *sites;
    struct survey *survey;
    const struct adopt_plan *plan;
    const struct adopt_names *names;
    FILE *err;
    uint16_t waiting[SURVEY_SERVERS_MAX]; /* rule told last; 0 = none */
};

static const char *name_of(const struct walk *w, unsigned i)
{
    return w->names->of[i];
}

static bool walk_failed(const struct walk *w, unsigned i, const char *what, const char *why)
{
    fprintf(w->err, "tandem adopt: %s: %s: %s\n", name_of(w, i), what, why);
    return false;
}

/* The statement of a step, or what is done instead of one. */
static bool action_text(const struct survey_server *s, int verdict, char *buf, size_t size)
{
    switch (verdict) {
    case GTID_WARN:
        return survey_enforce_sql(s, ENFORCE_WARN, false, buf, size) == 0;
    case GTID_ENFORCE:
        return survey_enforce_sql(s, ENFORCE_ON, false, buf, size) == 0;
    case GTID_OFF_PERMISSIVE:
        return survey_mode_sql(s, MODE_OFF_PERMISSIVE, false, buf, size) == 0;
    case GTID_ON_PERMISSIVE:
        return survey_mode_sql(s, MODE_ON_PERMISSIVE, false, buf, size) == 0;
    case GTID_ON:
        return survey_mode_sql(s, MODE_ON, true, buf, size) == 0;
    case GTID_FOLLOW:
        (void)snprintf(buf, size, "%s", survey_follow_sql(s));
        return true;
    case GTID_CHECK:
        (void)snprintf(buf, size, "(look for statements that GTID does not allow)");
        return true;
    default:
        (void)snprintf(buf, size, "(note the end of its binlog)");
        return true;
    }
}

static bool run(struct walk *w, unsigned i, const char *sql)
{
    struct sql_session *s = w->sites->sessions[i];
    fprintf(w->err, "%s: %s\n", name_of(w, i), sql);
    if (sql_session_query(s, sql, ADOPT_STATEMENT_MS, NULL, NULL) == 0)
        return true;
    return walk_failed(w, i, sql, s->error);
}

/* --- statements against GTID consistency ------------------------------------------------------*/

static void on_count(void *data, const struct sql_row *row)
{
    int64_t *count = data;
    *count = row->count > 0 && row->values[0] != NULL ? strtoll(row->values[0], NULL, 10) : -1;
}

static bool check_one(struct walk *w, unsigned i, unsigned seconds)
{
    struct survey_server *s = &w->survey->servers[i];
    char sql[400];
    s->violations = -1;
    if (survey_log_sql(s, seconds, sql, sizeof sql) == 0 && sql[0] != '\0')
        (void)!sql_session_query(w->sites->sessions[i], sql, ADOPT_STATEMENT_MS, on_count,
                                 &s->violations);
    if (s->violations >= 0)
        return true;
    return walk_failed(
        w, i, "its error log cannot be read by SQL, or has no warnings",
        "look there for 'violates GTID consistency' after the applications have done all they do. "
        "If there is nothing, go on with --checked, else change the application first");
}

static bool check(struct walk *w)
{
    unsigned seconds = w->sites->order->watch_s;
    bool known = true, none = true;
    fprintf(w->err, "looking for statements that GTID does not allow for %u s (--watch)\n",
            seconds);
    uv_sleep(seconds * 1000);
    for (unsigned i = 0; i < w->survey->n; i++) {
        if (w->survey->servers[i].facts.flavour != SERVER_MYSQL)
            continue;
        known = check_one(w, i, seconds + 1) && known;
        none = none && w->survey->servers[i].violations == 0;
    }
    w->survey->checked = known && none;
    return known;
}

/* --- one replica ------------------------------------------------------------------------------*/

static bool look_one(struct walk *w, unsigned i)
{
    struct errmsg msg = ERRMSG_INIT;
    if (adopt_survey_look_one(w->sites, i, &msg) == 0)
        return true;
    return walk_failed(w, i, "it does not answer", msg.text);
}

static bool follows(const struct survey_server *s)
{
    return s->by_gtid && s->facts.io == THREAD_RUNNING && s->facts.sql == THREAD_RUNNING;
}

static bool has_failed(const struct server_facts *f)
{
    return (f->io == THREAD_STOPPED && f->io_errno != 0) ||
           (f->sql == THREAD_STOPPED && f->sql_errno != 0);
}

static bool wait_follows(struct walk *w, unsigned i, const struct log_place *was)
{
    struct survey_server *s = &w->survey->servers[i];
    int64_t end_us = mysql_now_us() + (int64_t)w->sites->order->wait_s * 1000000;
    do {
        if (!look_one(w, i))
            return false;
        if (follows(s))
            return true;
        if (has_failed(&s->facts))
            break;
        uv_sleep(WALK_POLL_MS);
    } while (mysql_now_us() < end_us);
    fprintf(w->err,
            "%s: it was at position %llu of '%s' of its source before; there it goes on without "
            "GTID\n",
            name_of(w, i), (unsigned long long)was->position, was->file);
    return walk_failed(w, i, "it does not replicate by GTID",
                       s->facts.error[0] != '\0' ? s->facts.error : "its source does not answer");
}

/* With both threads stopped the sets are final: looked at once more, the replica first. */
static bool is_still_sound(struct walk *w, unsigned i)
{
    char extra[GTID_TEXT_MAX];
    int64_t end_us = mysql_now_us() + WALK_EXTRA_US;
    for (;;) {
        if (!look_one(w, i) || !look_one(w, w->survey->servers[i].source))
            return false;
        adopt_link(w->survey);
        adopt_gtid_extra(w->survey, i, extra);
        if (extra[0] == '\0')
            return true;
        if (mysql_now_us() >= end_us)
            return walk_failed(w, i, "it holds what its source lacks", extra);
        uv_sleep(WALK_POLL_MS);
    }
}

/* A statement that is not answered in time is carried out all the same, later. */
static bool left_stopped(struct walk *w, unsigned i)
{
    return walk_failed(w, i, "its replication may be stopped now; start it by hand",
                       survey_start_sql(&w->survey->servers[i]));
}

static bool follow(struct walk *w, unsigned i)
{
    struct survey_server *s = &w->survey->servers[i];
    char sql[GTID_TEXT_MAX + 64];
    struct log_place was;
    bool good;
    if (!run(w, i, survey_stop_sql(s)))
        return left_stopped(w, i);
    good = is_still_sound(w, i);
    was = s->applied_to;
    if (good && survey_slave_pos_sql(s, sql, sizeof sql) != 0)
        good = walk_failed(w, i, "gtid_slave_pos", "it has too many members");
    if (good && sql[0] != '\0')
        good = run(w, i, sql);
    good = good && run(w, i, survey_follow_sql(s));
    /* Whatever came of it, it goes on replicating, as before or by GTID. */
    if (!run(w, i, survey_start_sql(s)))
        return left_stopped(w, i);
    return good && wait_follows(w, i, &was);
}

/* --- the walk ---------------------------------------------------------------------------------*/

static bool act(struct walk *w, unsigned i, int verdict)
{
    struct survey_server *s = &w->survey->servers[i];
    char sql[200];
    switch (verdict) {
    case GTID_CHECK:
        return check(w);
    case GTID_MARK:
        adopt_gtid_mark(s);
        return true;
    case GTID_FOLLOW:
        return follow(w, i);
    case GTID_ON:
        /* A server that starts with gtid_mode=ON wants the other to be there as well. */
        if (survey_enforce_sql(s, ENFORCE_ON, true, sql, sizeof sql) != 0 || !run(w, i, sql))
            return false;
        break;
    default:
        break;
    }
    return action_text(s, verdict, sql, sizeof sql) && run(w, i, sql);
}

static void tell(struct walk *w, unsigned i, const struct rule *r)
{
    if (w->waiting[i] == r->id)
        return;
    w->waiting[i] = r->id;
    fprintf(w->err, "%s: %s: %s (gtid/%u)\n", name_of(w, i), gtid_table.verdict_names[r->verdict],
            r->text, r->id);
}

enum round { ROUND_STEP, ROUND_WAIT, ROUND_DONE, ROUND_REFUSED };

static bool is_action(int verdict)
{
    return verdict != GTID_REFUSE && verdict != GTID_WAIT && verdict != GTID_DONE;
}

/* Who has to do what; *ret_server and *ret_verdict with ROUND_STEP. One that is refused stops all
 * before anything else is done. */
static enum round decide(struct walk *w, unsigned *ret_server, int *ret_verdict)
{
    const struct rule *rules[SURVEY_SERVERS_MAX];
    enum round round = ROUND_DONE;
    unsigned order[SURVEY_SERVERS_MAX];
    adopt_file_order(w->survey, w->plan, order);
    for (unsigned i = 0; i < w->survey->n; i++) {
        uint32_t facts;
        rules[i] = adopt_gtid_decide(w->survey, w->plan->writer, i, &facts);
        if (rules[i]->verdict == GTID_REFUSE) {
            tell(w, i, rules[i]);
            round = ROUND_REFUSED;
        } else if (round == ROUND_DONE && rules[i]->verdict == GTID_WAIT) {
            round = ROUND_WAIT;
        }
    }
    for (unsigned k = 0; round != ROUND_REFUSED && k < w->survey->n; k++) {
        if (!is_action(rules[order[k]]->verdict))
            continue;
        *ret_server = order[k];
        *ret_verdict = rules[order[k]]->verdict;
        return ROUND_STEP;
    }
    for (unsigned i = 0; round == ROUND_WAIT && i < w->survey->n; i++) {
        if (rules[i]->verdict == GTID_WAIT)
            tell(w, i, rules[i]);
    }
    return round;
}

static bool any_extra(const struct survey *v)
{
    char extra[GTID_TEXT_MAX] = "";
    for (unsigned i = 0; i < v->n && extra[0] == '\0'; i++)
        adopt_gtid_extra(v, i, extra);
    return extra[0] != '\0';
}

static bool look(struct walk *w)
{
    struct errmsg msg = ERRMSG_INIT;
    int64_t end_us = mysql_now_us() + WALK_EXTRA_US;
    for (;;) {
        if (adopt_survey_look(w->sites, w->plan->writer, &msg) != 0) {
            fprintf(w->err, "tandem adopt: %s; run it again\n", msg.text);
            return false;
        }
        adopt_gtid_looked(w->survey);
        if (!any_extra(w->survey) || mysql_now_us() >= end_us)
            return true;
        uv_sleep(WALK_POLL_MS);
    }
}

static bool walk_real(struct walk *w)
{
    int64_t wait_us = (int64_t)w->sites->order->wait_s * 1000000;
    int64_t end_us = mysql_now_us() + wait_us;
    while (look(w)) {
        unsigned server = 0;
        int verdict = GTID_WAIT;
        enum round round = decide(w, &server, &verdict);
        if (round == ROUND_DONE || round == ROUND_REFUSED)
            return round == ROUND_DONE;
        if (round == ROUND_STEP) {
            if (!act(w, server, verdict))
                return false;
            end_us = mysql_now_us() + wait_us;
            continue;
        }
        if (mysql_now_us() >= end_us) {
            fprintf(w->err, "tandem adopt: waited %u s (--wait) for that; run it again\n",
                    w->sites->order->wait_s);
            return false;
        }
        uv_sleep(WALK_POLL_MS);
    }
    return false;
}

/* The same decisions on a copy of what was seen. */
static bool walk_dry(struct walk *w)
{
    if (!look(w))
        return false;
    for (unsigned n = 1; n <= WALK_STEPS_MAX; n++) {
        unsigned server = 0;
        int verdict = GTID_WAIT;
        char text[200];
        enum round round = decide(w, &server, &verdict);
        if (round == ROUND_DONE || round == ROUND_REFUSED)
            return round == ROUND_DONE;
        if (round == ROUND_WAIT) {
            for (unsigned i = 0; i < w->survey->n; i++)
                adopt_gtid_assume(w->survey, i, GTID_WAIT);
            continue;
        }
        if (action_text(&w->survey->servers[server], verdict, text, sizeof text))
            fprintf(w->err, "%s: %s\n", name_of(w, server), text);
        adopt_gtid_assume(w->survey, server, (enum gtid_verdict)verdict);
    }
    return false;
}

static void tell_my_cnf(const struct walk *w)
{
    for (unsigned i = 0; i < w->survey->n; i++) {
        const struct survey_server *s = &w->survey->servers[i];
        if (s->facts.flavour == SERVER_MYSQL && !s->can_persist)
            fprintf(w->err,
                    "%s: it cannot keep this by itself: put gtid_mode=ON and "
                    "enforce_gtid_consistency=ON into its my.cnf before its next restart\n",
                    name_of(w, i));
    }
}

bool adopt_walk(struct adopt_sites *sites, const struct adopt_plan *plan,
                const struct adopt_names *names, FILE *err)
{
    struct walk w = {
        .sites = sites, .survey = &sites->survey, .plan = plan, .names = names, .err = err};
    bool good;
    sites->survey.checked = sites->order->checked;
    for (unsigned i = 0; i < sites->survey.n; i++)
        sites->survey.servers[i].violations = -1;
    good = sites->order->dry_run ? walk_dry(&w) : walk_real(&w);
    if (good)
        tell_my_cnf(&w);
    if (good)
        fprintf(err, sites->order->dry_run ? "these are the steps; nothing was changed\n"
                                           : "GTID is on, and every replica follows by it\n");
    return good;
}
