/* SPDX-License-Identifier: Apache-2.0 */
#include "app/adopt.h"

#include "app/adopt_file.h"
#include "app/adopt_survey.h"
#include "app/adopt_walk.h"
#include "core/adopt.h"
#include "wire/config.h"

static const char *role_text(const struct adopt_plan *plan, unsigned i)
{
    return i == plan->writer ? "writer" : config_role_text(plan->roles[i].role);
}

static void tell_source(const struct adopt_sites *sites, const struct adopt_names *names,
                        unsigned i, FILE *err)
{
    static const char *const threads[] = {"stopped", "connecting", "running"};
    const struct survey_server *s = &sites->survey.servers[i];
    char place[ADOPT_PLACE_TEXT_MAX];
    if (!s->facts.channel)
        return;
    fprintf(err, ", follows %s by %s (IO %s, SQL %s)",
            s->source != NODE_NONE
                ? names->of[s->source]
                : adopt_place_text(s->facts.source_host, s->facts.source_port, place, sizeof place),
            s->by_gtid ? "GTID" : "file and position", threads[s->facts.io], threads[s->facts.sql]);
}

static void tell_servers(const struct adopt_sites *sites, const struct adopt_plan *plan,
                         const struct adopt_names *names, FILE *err)
{
    const struct survey *v = &sites->survey;
    unsigned order[SURVEY_SERVERS_MAX];
    adopt_file_order(v, plan, order);
    for (unsigned k = 0; k < v->n; k++) {
        const struct survey_server *s = &v->servers[order[k]];
        const struct adopt_role *r = &plan->roles[order[k]];
        char place[ADOPT_PLACE_TEXT_MAX];
        fprintf(err, "found: %s: %s, %s, server id %u, %s", names->of[order[k]],
                adopt_place_text(s->host, s->port, place, sizeof place), s->facts.version_text,
                s->facts.server_id, s->read_only ? "read only" : "writable");
        tell_source(sites, names, order[k], err);
        fprintf(err, "; %s: %s\n", role_text(plan, order[k]), r->why);
    }
    for (unsigned i = 0; i < v->n_lost; i++) {
        char place[ADOPT_PLACE_TEXT_MAX];
        fprintf(err, "not reached: %s: %s; if it is no server of the topology: --ignore %s\n",
                adopt_place_text(v->lost[i].host, v->lost[i].port, place, sizeof place),
                v->lost[i].why, place);
    }
}

/* Returns how many are grave. */
static unsigned tell_findings(const struct adopt_sites *sites, const struct adopt_plan *plan,
                              const struct adopt_names *names, FILE *err)
{
    unsigned order[SURVEY_SERVERS_MAX];
    unsigned grave = 0;
    adopt_file_order(&sites->survey, plan, order);
    for (unsigned k = 0; k < sites->survey.n; k++) {
        struct adopt_finding findings[ADOPT_FINDINGS_MAX];
        unsigned n = adopt_findings(&sites->survey, plan, order[k], findings);
        for (unsigned i = 0; i < n; i++) {
            fprintf(err, "%s: %s: %s: %s\n", findings[i].grave ? "must" : "should",
                    names->of[order[k]], findings[i].id, findings[i].text);
            grave += findings[i].grave;
        }
    }
    return grave;
}

static bool survey(struct adopt_sites *sites, struct adopt_plan *plan, FILE *err)
{
    const struct adopt_order *o = sites->order;
    struct errmsg msg = ERRMSG_INIT;
    unsigned chosen = NODE_NONE;
    int rc = adopt_survey_find(sites);
    if (rc != 0) {
        for (unsigned i = 0; i < sites->survey.n_lost; i++)
            fprintf(err, "not reached: %s:%u: %s\n", sites->survey.lost[i].host,
                    sites->survey.lost[i].port, sites->survey.lost[i].why);
        fprintf(err, "tandem adopt: %s\n",
                rc == ERR_NOTFOUND ? "no server was reached" : err_text(rc));
        return false;
    }
    if (o->writer.host[0] != '\0')
        chosen = adopt_survey_at(&sites->survey, &o->writer);
    if (o->writer.host[0] != '\0' && chosen == NODE_NONE) {
        fprintf(err, "tandem adopt: --writer: no server of the topology is at %s:%u\n",
                o->writer.host, o->writer.port);
        return false;
    }
    adopt_draw(&sites->survey, chosen, plan);
    if (adopt_survey_look(sites, plan->writer, &msg) != 0) {
        fprintf(err, "tandem adopt: %s\n", msg.text);
        return false;
    }
    adopt_draw(&sites->survey, chosen, plan);
    return true;
}

bool adopt_run(const struct adopt_order *order, FILE *out, FILE *err)
{
    struct adopt_sites *sites = calloc(1, sizeof *sites);
    struct adopt_plan *plan = calloc(1, sizeof *plan);
    struct adopt_names *names = calloc(1, sizeof *names);
    bool good = sites != NULL && plan != NULL && names != NULL;
    unsigned grave = 0;
    if (good) {
        sites->order = order;
        good = survey(sites, plan, err);
    }
    if (good) {
        adopt_file_names(sites, plan, names);
        tell_servers(sites, plan, names, err);
    }
    if (good && order->gtid) {
        good = adopt_walk(sites, plan, names, err);
    } else if (good) {
        grave = tell_findings(sites, plan, names, err);
        good = adopt_file_write(sites, plan, names, out, err);
    }
    if (grave > 0)
        fprintf(err, "%u things must be settled before the agents start (the lines with 'must')\n",
                grave);
    if (sites != NULL)
        adopt_survey_free(sites);
    free(names);
    free(plan);
    free(sites);
    return good;
}
