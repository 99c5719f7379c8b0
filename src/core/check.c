/* SPDX-License-Identifier: Apache-2.0 */
#include "core/check.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/core.h"
#include "core/health.h"
#include "util/version.h"
#include "wire/survey.h"

#define CLOCK_SKEW_MAX_MS 1000
#define CERTIFICATE_DAYS_MIN 30
#define STATE_FREE_MIN_MB 512
#define DATA_FREE_PERCENT 5

static bool wrong(struct errmsg *d, const char *fmt, ...) PRINTF_LIKE(2, 3);

static bool wrong(struct errmsg *d, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(d->text, sizeof d->text, fmt, ap);
    va_end(ap);
    return true;
}

/* A text that is there is what is wrong. */
static bool wrong_text(struct errmsg *d, const char *text)
{
    return text[0] != '\0' && wrong(d, "%s", text);
}

static const char *name_of(const struct check_world *w, unsigned node)
{
    return w->cfg->nodes[node].name;
}

/* ---- the cluster file ---- */

static bool wrong_root(const struct check_world *w, unsigned i, struct errmsg *d)
{
    (void)d;
    return !w->nodes[i].local->root;
}

static bool wrong_file_doubts(const struct check_world *w, unsigned i, struct errmsg *d)
{
    return wrong_text(d, w->nodes[i].local->file_doubts);
}

static bool wrong_timing(const struct check_world *w, unsigned i, struct errmsg *d)
{
    return wrong_text(d, w->nodes[i].local->timing);
}

/* ---- agents ---- */

static bool wrong_agent(const struct check_world *w, unsigned i, struct errmsg *d)
{
    (void)d;
    return w->nodes[i].report == NULL;
}

static bool wrong_same_file(const struct check_world *w, unsigned i, struct errmsg *d)
{
    uint64_t digest = w->nodes[i].report->config_digest;
    return digest != w->digest && wrong(d, "its digest is %016llx, here it is %016llx",
                                        (unsigned long long)digest, (unsigned long long)w->digest);
}

static bool wrong_same_version(const struct check_world *w, unsigned i, struct errmsg *d)
{
    const char *version = w->nodes[i].report->agent_version;
    return strcmp(version, w->version) != 0 &&
           wrong(d, "it is %s, here it is %s", version, w->version);
}

static bool wrong_reaches(const struct check_world *w, unsigned i, struct errmsg *d)
{
    char names[256] = "";
    size_t used = 0;
    for (unsigned k = 0; k < w->cfg->n_nodes; k++) {
        int n;
        if (k == i || !config_node_has_agent(w->cfg, k) || w->nodes[k].report == NULL ||
            (w->nodes[i].report->reaches & (1u << k)) != 0)
            continue;
        n = snprintf(names + used, sizeof names - used, "%s%s", used > 0 ? ", " : "",
                     name_of(w, k));
        used += n > 0 && (size_t)n < sizeof names - used ? (size_t)n : 0;
    }
    return names[0] != '\0' && wrong(d, "it does not hear %s", names);
}

static bool wrong_trouble(const struct check_world *w, unsigned i, struct errmsg *d)
{
    return wrong_text(d, w->nodes[i].report->trouble);
}

static bool wrong_clock(const struct check_world *w, unsigned i, struct errmsg *d)
{
    int64_t ms = w->nodes[i].skew_ms;
    bool bad = w->nodes[i].skew_known && (ms > CLOCK_SKEW_MAX_MS || ms < -CLOCK_SKEW_MAX_MS);
    return bad && wrong(d, "it is %lld.%lld s %s", (long long)((ms < 0 ? -ms : ms) / 1000),
                        (long long)((ms < 0 ? -ms : ms) % 1000 / 100), ms < 0 ? "behind" : "ahead");
}

static int32_t days_left(const struct host_facts *h)
{
    return h->ca_days < h->certificate_days ? h->ca_days : h->certificate_days;
}

static bool certificate_is_known(const struct host_facts *h)
{
    return (h->judged & HOST_CERTIFICATE) != 0;
}

static bool wrong_certificate(const struct check_world *w, unsigned i, struct errmsg *d)
{
    const struct host_facts *h = w->nodes[i].host;
    return certificate_is_known(h) && days_left(h) < 0 &&
           wrong(d, "%s ended %d days ago",
                 h->ca_days < h->certificate_days ? "that of the authority" : "its certificate",
                 -days_left(h));
}

static bool wrong_certificate_days(const struct check_world *w, unsigned i, struct errmsg *d)
{
    const struct host_facts *h = w->nodes[i].host;
    return certificate_is_known(h) && days_left(h) >= 0 && days_left(h) < CERTIFICATE_DAYS_MIN &&
           wrong(d, "%s ends in %d days",
                 h->ca_days < h->certificate_days ? "that of the authority" : "its certificate",
                 days_left(h));
}

static bool wrong_realtime(const struct check_world *w, unsigned i, struct errmsg *d)
{
    (void)d;
    return (w->nodes[i].host->wrong & HOST_REALTIME) != 0;
}

static bool wrong_memlock(const struct check_world *w, unsigned i, struct errmsg *d)
{
    (void)d;
    return (w->nodes[i].host->wrong & HOST_MEMLOCK) != 0;
}

static bool wrong_oom(const struct check_world *w, unsigned i, struct errmsg *d)
{
    (void)d;
    return (w->nodes[i].host->wrong & HOST_OOM) != 0;
}

/* ---- the host ---- */

static bool wrong_address(const struct check_world *w, unsigned i, struct errmsg *d)
{
    return (w->nodes[i].host->wrong & HOST_ADDRESS) != 0 &&
           wrong(d, "%s is on none", w->cfg->nodes[i].address);
}

static bool wrong_device(const struct check_world *w, unsigned i, struct errmsg *d)
{
    for (unsigned k = 0; k < w->cfg->n_vips; k++) {
        if ((w->nodes[i].host->wrong & HOST_DEVICE) != 0 &&
            (w->nodes[i].host->devices & (1u << k)) != 0)
            return wrong(d, "%s, of %s, is missing or down", w->cfg->vips[k].device,
                         w->cfg->vips[k].address);
    }
    return false;
}

static bool wrong_link(const struct check_world *w, unsigned i, struct errmsg *d)
{
    (void)d;
    return w->cfg->n_vips > 0 && !w->nodes[i].report->link_up;
}

static bool wrong_secondaries(const struct check_world *w, unsigned i, struct errmsg *d)
{
    (void)d;
    return (w->nodes[i].host->wrong & HOST_SECONDARIES) != 0;
}

static bool wrong_nftables(const struct check_world *w, unsigned i, struct errmsg *d)
{
    return wrong_text(d, w->nodes[i].local->nftables);
}

static bool wrong_ports(const struct check_world *w, unsigned i, struct errmsg *d)
{
    return wrong_text(d, w->nodes[i].local->ports);
}

static bool wrong_files(const struct check_world *w, unsigned i, struct errmsg *d)
{
    return wrong_text(d, w->nodes[i].local->files);
}

static bool wrong_data_space(const struct check_world *w, unsigned i, struct errmsg *d)
{
    const struct host_facts *h = w->nodes[i].host;
    uint64_t wanted = (uint64_t)h->data_size_mb * DATA_FREE_PERCENT / 100;
    if (wanted < 2 * (uint64_t)w->cfg->policy.disk_free_min_mb)
        wanted = 2 * (uint64_t)w->cfg->policy.disk_free_min_mb;
    return h->data_size_mb > 0 && h->data_free_mb < wanted &&
           wrong(d, "%u MB of %u MB are free in the file system of %s; wanted: %llu",
                 h->data_free_mb, h->data_size_mb, w->cfg->nodes[i].mysql.data_dir,
                 (unsigned long long)wanted);
}

static bool wrong_state_space(const struct check_world *w, unsigned i, struct errmsg *d)
{
    const struct host_facts *h = w->nodes[i].host;
    return h->state_size_mb > 0 && h->state_free_mb < STATE_FREE_MIN_MB &&
           wrong(d, "%u MB are free in the file system of %s; wanted: %u", h->state_free_mb,
                 w->cfg->nodes[i].state_dir, STATE_FREE_MIN_MB);
}

/* ---- the server ---- */

static bool wrong_server(const struct check_world *w, unsigned i, struct errmsg *d)
{
    int health = w->nodes[i].report->health;
    return !health_is_good(health) && wrong(d, "it is %s", server_health_text(health));
}

static bool wrong_login(const struct check_world *w, unsigned i, struct errmsg *d)
{
    const struct check_local *l = w->nodes[i].local;
    return !l->login && wrong(d, "%s", l->refused);
}

static bool wrong_privileges(const struct check_world *w, unsigned i, struct errmsg *d)
{
    const char *missing = w->nodes[i].local->privileges;
    return missing[0] != '\0' && wrong(d, "it lacks %s", missing);
}

static bool wrong_cure_privileges(const struct check_world *w, unsigned i, struct errmsg *d)
{
    const char *missing = w->nodes[i].local->cure_privileges;
    return missing[0] != '\0' && wrong(d, "it lacks %s", missing);
}

static bool wrong_replication_account(const struct check_world *w, unsigned i, struct errmsg *d)
{
    return w->nodes[i].local->replication_accounts == 0 &&
           wrong(d, "no account is called '%s'", w->cfg->nodes[i].mysql.replication_user);
}

static bool wrong_paths(const struct check_world *w, unsigned i, struct errmsg *d)
{
    return wrong_text(d, w->nodes[i].local->paths);
}

static bool wrong_salvage_program(const struct check_world *w, unsigned i, struct errmsg *d)
{
    return wrong_text(d, w->nodes[i].local->salvage_program);
}

static bool wrong_engines(const struct check_world *w, unsigned i, struct errmsg *d)
{
    return w->nodes[i].local->engines > 0 &&
           wrong(d, "%lld are not", (long long)w->nodes[i].local->engines);
}

static bool wrong_connect_errors(const struct check_world *w, unsigned i, struct errmsg *d)
{
    int64_t limit = w->nodes[i].local->connect_errors;
    return limit > 0 && limit < SURVEY_CONNECT_ERRORS &&
           wrong(d, "skip_name_resolve is OFF and max_connect_errors is %lld", (long long)limit);
}

static bool wrong_powers(const struct check_world *w, unsigned i, struct errmsg *d)
{
    return wrong_text(d, w->nodes[i].local->powers);
}

static bool wrong_supported(const struct check_world *w, unsigned i, struct errmsg *d)
{
    const struct server_facts *f = w->nodes[i].facts;
    return (f->settings & SETTING_ENGINE) != 0 && wrong(d, "it is %s", f->version_text);
}

static bool wrong_same_flavour(const struct check_world *w, unsigned i, struct errmsg *d)
{
    const struct server_facts *mine = w->nodes[i].facts;
    const struct server_facts *f = w->writer != NODE_NONE ? w->nodes[w->writer].facts : NULL;
    return f != NULL && f->flavour != SERVER_FLAVOUR_UNKNOWN && f->flavour != mine->flavour &&
           wrong(d, "it is %s, the writer is %s",
                 server_flavour_text((enum server_flavour)mine->flavour),
                 server_flavour_text((enum server_flavour)f->flavour));
}

/* Any candidate may have to follow any other, and a replica that follows the writer all of them. */
static bool may_follow(const struct cluster_config *c, unsigned node, unsigned source)
{
    const struct config_node *n = &c->nodes[node];
    if (n->role == CONFIG_ROLE_REPLICA && n->source != NODE_NONE)
        return n->source == source;
    return node != source && c->nodes[source].role == CONFIG_ROLE_CANDIDATE;
}

static bool wrong_older(const struct check_world *w, unsigned i, struct errmsg *d)
{
    const struct server_facts *mine = w->nodes[i].facts;
    for (unsigned k = 0; k < w->cfg->n_nodes; k++) {
        const struct server_facts *f = w->nodes[k].facts;
        /* Patch releases replicate both ways. */
        if (f != NULL && may_follow(w->cfg, i, k) && f->flavour == mine->flavour &&
            mine->version / 100 < f->version / 100)
            return wrong(d, "it is %s, and %s is %s", mine->version_text, name_of(w, k),
                         f->version_text);
    }
    return false;
}

static bool wrong_server_id(const struct check_world *w, unsigned i, struct errmsg *d)
{
    uint32_t id = w->nodes[i].facts->server_id;
    if (id == 0)
        return wrong(d, "it is 0");
    for (unsigned k = 0; k < w->cfg->n_nodes; k++) {
        if (k != i && w->nodes[k].facts != NULL && w->nodes[k].facts->server_id == id)
            return wrong(d, "%u is also that of %s", id, name_of(w, k));
    }
    return false;
}

static bool wrong_server_uuid(const struct check_world *w, unsigned i, struct errmsg *d)
{
    const char *uuid = w->nodes[i].facts->server_uuid;
    for (unsigned k = 0; uuid[0] != '\0' && k < w->cfg->n_nodes; k++) {
        if (k != i && w->nodes[k].facts != NULL &&
            strcmp(w->nodes[k].facts->server_uuid, uuid) == 0)
            return wrong(d, "%s is also that of %s", uuid, name_of(w, k));
    }
    return false;
}

/* Before the agents run the writer of another stack is open, and has to be. */
static bool wrong_read_only(const struct check_world *w, unsigned i, struct errmsg *d)
{
    (void)d;
    return w->asked && w->writer != NODE_NONE && i != w->writer && !w->nodes[i].facts->read_only;
}

static bool wrong_replication(const struct check_world *w, unsigned i, struct errmsg *d)
{
    const struct server_facts *f = w->nodes[i].facts;
    uint32_t number = f->sql_errno != 0 ? f->sql_errno : f->io_errno;
    return i != w->writer && number != 0 && wrong(d, "error %u: %s", number, f->error);
}

static bool wrong_foreign(const struct check_world *w, unsigned i, struct errmsg *d)
{
    (void)d;
    return w->nodes[i].facts->foreign_channels;
}

static bool wrong_xa(const struct check_world *w, unsigned i, struct errmsg *d)
{
    uint32_t n = w->nodes[i].facts->xa_prepared;
    if (n == XA_PREPARED_UNKNOWN)
        return wrong(d, "it is not known: the agent's account lacks XA_RECOVER_ADMIN");
    return n > 0 && wrong(d, "there are %u", n);
}

/* ---- the table ---- */

struct check_rule {
    struct check_row row;
    bool (*wrong)(const struct check_world *w, unsigned node, struct errmsg *ret_detail);
    uint32_t setting; /* of CHECK_SETTING rows */
};

static const struct check_rule rules[] = {
#define CHECK(name, id, of, needs, level, asked, why, fix) \
    {{id, of, needs, CHECK_##level, asked, why, fix}, wrong_##name, 0},
#define CHECK_SETTING(bit, id, of, level, asked, why, fix) \
    {{id, of, NEED_FACTS, CHECK_##level, asked, why, fix}, NULL, SETTING_##bit},
#include "core/check.def"
#undef CHECK
#undef CHECK_SETTING
};
#define RULES (sizeof rules / sizeof rules[0])

const struct check_row *check_row(unsigned i)
{
    return i < RULES ? &rules[i].row : NULL;
}

const char *check_level_text(enum check_level level)
{
    static const char *const texts[CHECK_LEVEL_COUNT] = {"none", "ok", "unknown", "warning",
                                                         "fault"};
    return (unsigned)level < CHECK_LEVEL_COUNT ? texts[level] : "?";
}

static bool is_for(const struct cluster_config *c, unsigned node, enum check_of of)
{
    switch (of) {
    case OF_AGENT:
        return config_node_has_agent(c, node);
    case OF_SERVER:
        return config_node_has_mysql(c, node);
    case OF_CANDIDATE:
        return c->nodes[node].role == CONFIG_ROLE_CANDIDATE;
    default:
        return true;
    }
}

/* NULL: it is known. */
static const char *lacks(const struct check_world *w, unsigned i, enum check_need need)
{
    const struct check_node *n = &w->nodes[i];
    switch (need) {
    case NEED_AGENTS:
        return w->asked ? NULL : "no agent was asked";
    case NEED_REPORT:
        return n->report != NULL ? NULL : "its agent reports nothing";
    case NEED_FACTS:
        return n->facts != NULL ? NULL : "nothing is known of its server";
    case NEED_HOST:
        return n->host != NULL ? NULL : "nothing is known of its host";
    case NEED_LOGIN:
        if (n->local != NULL && !n->local->login)
            return "the server did not let the agent's account in";
        break;
    default:
        break;
    }
    return n->local != NULL ? NULL : "only `tandem check` on that host can tell";
}

/* Parts of what was seen that may have stayed in the dark, each with its own rows. */
static const char *lacks_part(const struct check_node *n, const struct check_rule *r)
{
    if ((r->wrong == wrong_privileges || r->wrong == wrong_cure_privileges) && !n->local->grants)
        return "SHOW GRANTS was not answered";
    if (r->wrong == wrong_replication_account && n->local->replication_accounts < 0)
        return "the account may not read mysql.user";
    if (r->wrong == wrong_powers && (n->local->replication_accounts < 0 || !n->local->powers_known))
        return "the account may not read mysql.user";
    if (r->wrong == wrong_connect_errors && n->local->connect_errors < 0)
        return "the server did not tell";
    if (r->wrong == wrong_engines && n->local->engines < 0)
        return "information_schema.tables was not answered";
    if (r->wrong == wrong_clock && !n->skew_known)
        return "its agent does not tell its time";
    if ((r->wrong == wrong_certificate || r->wrong == wrong_certificate_days) &&
        !certificate_is_known(n->host))
        return "its days were not read";
    if ((r->wrong == wrong_realtime && (n->host->judged & HOST_REALTIME) == 0) ||
        (r->wrong == wrong_memlock && (n->host->judged & HOST_MEMLOCK) == 0) ||
        (r->wrong == wrong_oom && (n->host->judged & HOST_OOM) == 0))
        return "only a running agent knows";
    if (n->host != NULL &&
        ((r->wrong == wrong_address && (n->host->judged & HOST_ADDRESS) == 0) ||
         (r->wrong == wrong_device && (n->host->judged & HOST_DEVICE) == 0) ||
         (r->wrong == wrong_secondaries && (n->host->judged & HOST_SECONDARIES) == 0)))
        return "its devices were not read";
    if ((r->wrong == wrong_data_space && n->host->data_size_mb == 0) ||
        (r->wrong == wrong_state_space && n->host->state_size_mb == 0))
        return "the file system does not tell its size";
    return NULL;
}

enum check_level check_judge(const struct check_world *w, unsigned node, unsigned row,
                             struct errmsg *d)
{
    const struct check_rule *r = &rules[row];
    const char *unknown;
    bool bad;
    assert(row < RULES && node < w->cfg->n_nodes);
    d->text[0] = '\0';
    if (!is_for(w->cfg, node, r->row.of))
        return CHECK_NONE;
    unknown = lacks(w, node, r->row.need);
    if (unknown == NULL)
        unknown = lacks_part(&w->nodes[node], r);
    if (unknown != NULL) {
        (void)wrong(d, "%s", unknown);
        return CHECK_UNKNOWN;
    }
    bad = r->wrong != NULL ? r->wrong(w, node, d)
                           : (w->nodes[node].facts->settings & r->setting) != 0;
    return bad ? r->row.level : CHECK_OK;
}

void check_of_core(const struct core *core, struct check_world *w)
{
    memset(w, 0, sizeof *w);
    w->cfg = core->cfg;
    w->asked = true;
    w->digest = core->cfg->digest;
    w->version = tandem_version();
    w->writer = core->record.writer < core->cfg->n_nodes ? core->record.writer : NODE_NONE;
    for (unsigned i = 0; i < core->cfg->n_nodes; i++) {
        const struct report *r = core_report(core, i);
        struct check_node *n = &w->nodes[i];
        if (r == NULL || !core_is_fresh(core, i))
            continue;
        n->report = r;
        n->facts = health_is_good(r->health) && r->facts_age_ms != UINT32_MAX ? &r->facts : NULL;
        n->host = r->host.known ? &r->host : NULL;
        n->skew_known = r->wall_ms != 0;
        n->skew_ms = r->wall_ms + (core->now_us - core->view[i].at_us) / 1000 - core->wall_ms;
    }
}
