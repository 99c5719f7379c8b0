/* SPDX-License-Identifier: Apache-2.0 */
#include "app/adopt_survey.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <unistd.h>

#include "core/adopt.h"
#include "io/mysql/grants.h"
#include "io/mysql/survey.h"

#define PLACES_MAX (4 * SURVEY_SERVERS_MAX)

/* Places that are still to be looked at, and those that were. */
struct finder {
    struct adopt_sites *sites;
    struct place {
        char host[ADDRESS_TEXT_MAX];
        uint16_t port;
        unsigned seen_by; /* the server whose binlog a session from there reads: the port is
                             guessed; NODE_NONE */
    } places[PLACES_MAX];
    unsigned n;
    unsigned looked;
};

const char *adopt_place_text(const char *host, uint16_t port, char *buf, size_t size)
{
    bool six = strchr(host, ':') != NULL;
    (void)snprintf(buf, size, "%s%s%s:%u", six ? "[" : "", host, six ? "]" : "", port);
    return buf;
}

bool adopt_resolve(const char *name, char ret_host[ADDRESS_TEXT_MAX])
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_family = AF_UNSPEC};
    struct addrinfo *list = NULL;
    bool good;
    if (strcmp(name, "localhost") == 0)
        name = "127.0.0.1";
    if (getaddrinfo(name, NULL, &hints, &list) != 0)
        return false;
    good = getnameinfo(list->ai_addr, list->ai_addrlen, ret_host, ADDRESS_TEXT_MAX, NULL, 0,
                       NI_NUMERICHOST) == 0;
    freeaddrinfo(list);
    return good;
}

unsigned adopt_survey_at(const struct survey *v, const struct adopt_place *place)
{
    char host[ADDRESS_TEXT_MAX];
    if (!adopt_resolve(place->host, host))
        return NODE_NONE;
    for (unsigned i = 0; i < v->n; i++) {
        const struct survey_server *s = &v->servers[i];
        if (s->port == place->port &&
            (strcmp(s->host, host) == 0 || strcmp(s->other_host, host) == 0))
            return i;
    }
    return NODE_NONE;
}

static void lose(struct survey *v, const char *host, uint16_t port, unsigned seen_by,
                 const char *why)
{
    struct survey_lost *l = &v->lost[v->n_lost];
    if (v->n_lost == SURVEY_LOST_MAX)
        return;
    v->n_lost++;
    (void)snprintf(l->host, sizeof l->host, "%s", host);
    (void)snprintf(l->why, sizeof l->why, "%s", why);
    l->port = port;
    l->seen_by = seen_by;
}

static bool is_ignored(const struct adopt_order *o, const char *host, uint16_t port)
{
    for (unsigned i = 0; i < o->n_ignored; i++) {
        char ignored[ADDRESS_TEXT_MAX];
        if (o->ignored[i].port == port && adopt_resolve(o->ignored[i].host, ignored) &&
            strcmp(ignored, host) == 0)
            return true;
    }
    return false;
}

/* A host whose port was guessed is not looked at when it was met with another port. */
static void add_place(struct finder *f, const char *name, uint16_t port, unsigned seen_by)
{
    char host[ADDRESS_TEXT_MAX];
    if (!adopt_resolve(name, host)) {
        lose(&f->sites->survey, name, port, seen_by, "the name has no address");
        return;
    }
    for (unsigned i = 0; i < f->n; i++) {
        struct place *p = &f->places[i];
        if (strcmp(p->host, host) != 0)
            continue;
        if (p->port == port || seen_by != NODE_NONE)
            return;
        if (p->seen_by != NODE_NONE && i >= f->looked) {
            p->port = port;
            p->seen_by = NODE_NONE;
            return;
        }
    }
    if (is_ignored(f->sites->order, host, port))
        return;
    if (f->n == PLACES_MAX) {
        lose(&f->sites->survey, name, port, seen_by,
             "too many addresses are told of: not looked at");
        return;
    }
    (void)snprintf(f->places[f->n].host, ADDRESS_TEXT_MAX, "%s", host);
    f->places[f->n].port = port;
    f->places[f->n++].seen_by = seen_by;
}

/* --- one look ---------------------------------------------------------------------------------*/

struct look {
    struct survey_look survey;
    int err;
};

static void on_variable(void *data, const struct sql_row *row)
{
    struct look *k = data;
    if (row->count >= 2 && row->values[0] != NULL && row->values[1] != NULL)
        survey_look_variable(&k->survey, row->values[0], row->values[1]);
}

static void on_values(void *data, const struct sql_row *row)
{
    struct look *k = data;
    k->err = survey_look_values(&k->survey, row);
}

static void on_channel(void *data, const struct sql_row *row)
{
    struct look *k = data;
    if (k->err == 0)
        k->err = survey_look_channel(&k->survey, row);
}

static void on_place(void *data, const struct sql_row *row)
{
    struct look *k = data;
    survey_look_place(&k->survey, row);
}

static void on_anonymous(void *data, const struct sql_row *row)
{
    struct look *k = data;
    k->survey.out->anonymous = strtoull(sql_row_text(row, "Value", NULL), NULL, 10);
}

/* sql: what was answered, if err is not 0. */
static int understood(struct sql_session *s, const char *sql, int err)
{
    if (err != 0)
        (void)snprintf(s->error, sizeof s->error, "its answer to '%.40s' is not understood: %s",
                       sql, err_text(err));
    return err;
}

static int ask(struct sql_session *s, struct look *k, const char *sql,
               void (*row)(void *data, const struct sql_row *row))
{
    int rc = sql == NULL ? 0 : sql_session_query(s, sql, ADOPT_STATEMENT_MS, row, k);
    return rc != 0 ? rc : understood(s, sql, k->err);
}

static void on_connect_errors(void *data, const struct sql_row *row)
{
    struct survey_server *out = data;
    if (row->count > 0 && row->values[0] != NULL)
        out->connect_errors = strtoll(row->values[0], NULL, 10);
}

static void on_power(void *data, const struct sql_row *row)
{
    struct survey_server *out = data;
    grants_power(sql_row_text(row, "grantee", NULL), sql_row_text(row, "held", NULL), out->powers,
                 sizeof out->powers);
}

void adopt_look_aside(struct sql_session *s, struct survey_server *out)
{
    /* A host is known by its address alone otherwise, and no errors are counted. */
    static const char limit[] =
        "SELECT IF(@@GLOBAL.skip_name_resolve OR @@GLOBAL.host_cache_size = 0, 0, "
        "LEAST(@@GLOBAL.max_connect_errors, 9223372036854775807))";
    if (sql_session_query(s, limit, ADOPT_STATEMENT_MS, on_connect_errors, out) != 0)
        out->connect_errors = -1;
    out->powers_known =
        sql_session_query(s, grants_powers_sql, ADOPT_STATEMENT_MS, on_power, out) == 0;
}

int adopt_look_at(struct sql_session *s, struct survey_server *out)
{
    struct look k = {.err = 0};
    int rc;
    survey_look_begin(&k.survey, out);
    rc = ask(s, &k, survey_variables_sql, on_variable);
    if (rc == 0)
        rc = understood(s, survey_variables_sql, survey_look_known(&k.survey));
    if (rc == 0)
        rc = ask(s, &k, survey_values_sql(&k.survey), on_values);
    if (rc == 0)
        rc = ask(s, &k, survey_status_sql(&k.survey), on_channel);
    if (rc == 0)
        rc = understood(s, survey_status_sql(&k.survey), survey_look_channels(&k.survey));
    if (rc == 0)
        rc = ask(s, &k, survey_anonymous_sql(&k.survey), on_anonymous);
    if (rc == 0)
        rc = ask(s, &k, survey_place_sql(&k.survey), on_place);
    if (rc == 0 && out->facts.channel) {
        char host[ADDRESS_TEXT_MAX];
        if (adopt_resolve(out->facts.source_host, host))
            memcpy(out->facts.source_host, host, sizeof host);
    }
    return rc;
}

/* --- the walk ---------------------------------------------------------------------------------*/

static void on_number(void *data, const struct sql_row *row)
{
    long long *number = data;
    const char *text = row->count > 0 ? row->values[0] : NULL;
    *number = text != NULL ? strtoll(text, NULL, 10) : -1;
}

/* Both sessions are at the same server: the lock that one takes is seen by the other. */
static bool is_same_server(struct sql_session *a, struct sql_session *b, unsigned number)
{
    char sql[120];
    long long got = 0, seen = -1;
    bool same;
    (void)snprintf(sql, sizeof sql, "SELECT GET_LOCK('tandem_adopt_%ld_%u', 0)", (long)getpid(),
                   number);
    if (sql_session_query(a, sql, ADOPT_STATEMENT_MS, on_number, &got) != 0 || got != 1)
        return false;
    (void)snprintf(sql, sizeof sql, "SELECT IS_USED_LOCK('tandem_adopt_%ld_%u')", (long)getpid(),
                   number);
    same = sql_session_query(b, sql, ADOPT_STATEMENT_MS, on_number, &seen) == 0 && seen > 0;
    (void)snprintf(sql, sizeof sql, "DO RELEASE_LOCK('tandem_adopt_%ld_%u')", (long)getpid(),
                   number);
    (void)!sql_session_query(a, sql, ADOPT_STATEMENT_MS, NULL, NULL);
    return same;
}

static bool is_loopback(const char *host)
{
    return strncmp(host, "127.", 4) == 0 || strcmp(host, "::1") == 0;
}

/* True if the server at the end of the session is known already, by another address. */
static bool is_known(struct finder *f, struct sql_session *session, const struct survey_server *s)
{
    struct adopt_sites *sites = f->sites;
    for (unsigned i = 0; i < sites->survey.n; i++) {
        struct survey_server *o = &sites->survey.servers[i];
        if (o->facts.server_id != s->facts.server_id ||
            strcmp(o->facts.server_uuid, s->facts.server_uuid) != 0 ||
            !is_same_server(sites->sessions[i], session, f->looked))
            continue;
        if (is_loopback(o->host)) {
            memcpy(o->other_host, o->host, sizeof o->other_host);
            memcpy(o->host, s->host, sizeof o->host);
        } else if (o->other_host[0] == '\0') {
            memcpy(o->other_host, s->host, sizeof o->other_host);
        }
        return true;
    }
    return false;
}

static void on_replica(void *data, const struct sql_row *row)
{
    struct finder *f = data;
    char host[ADDRESS_TEXT_MAX];
    uint16_t port = 0;
    if (survey_replica(row, host, &port) && port != 0)
        add_place(f, host, port, NODE_NONE);
}

struct dump_finder {
    struct finder *finder;
    unsigned server;
};

static void on_session(void *data, const struct sql_row *row)
{
    struct dump_finder *d = data;
    char host[ADDRESS_TEXT_MAX];
    struct survey_server *s = &d->finder->sites->survey.servers[d->server];
    if (!survey_dump_session(row, host))
        return;
    s->readers++;
    add_place(d->finder, host, s->port, d->server);
}

/* Sources, replicas that say where they are, then sessions whose host is all that is known. */
static void find_around(struct finder *f, struct sql_session *session, unsigned server)
{
    struct survey_server *s = &f->sites->survey.servers[server];
    struct survey_look look = {
        .server = {.flavour = (enum server_flavour)s->facts.flavour, .version = s->facts.version}};
    struct dump_finder d = {f, server};
    char why[DETAIL_TEXT_MAX + 40];
    int rc;
    if (s->facts.channel)
        add_place(f, s->facts.source_host, s->facts.source_port, NODE_NONE);
    rc = sql_session_query(session, survey_replicas_sql(&look), ADOPT_STATEMENT_MS, on_replica, f);
    if (rc == 0)
        rc = sql_session_query(session, "SHOW PROCESSLIST", ADOPT_STATEMENT_MS, on_session, &d);
    if (rc != 0) {
        (void)snprintf(why, sizeof why, "does not tell its replicas: %s", session->error);
        lose(&f->sites->survey, s->host, s->port, NODE_NONE, why);
    }
}

static int find_at(struct finder *f, const struct place *p)
{
    struct adopt_sites *sites = f->sites;
    struct survey *v = &sites->survey;
    struct sql_session *session = calloc(1, sizeof *session);
    struct survey_server *s = &v->servers[v->n < SURVEY_SERVERS_MAX ? v->n : 0];
    int rc = session == NULL ? ERR_NOMEM
                             : sql_session_init(session, p->host, p->port, sites->order->user,
                                                sites->order->password);
    if (rc != 0) {
        free(session);
        return rc;
    }
    if (v->n == SURVEY_SERVERS_MAX) {
        lose(v, p->host, p->port, NODE_NONE, "a cluster has 16 nodes at most");
    } else {
        memset(s, 0, sizeof *s);
        memcpy(s->host, p->host, sizeof s->host);
        s->port = p->port;
        s->source = NODE_NONE;
        rc = adopt_look_at(session, s);
        if (rc != 0) {
            lose(v, p->host, p->port, p->seen_by, session->error);
        } else if (!is_known(f, session, s)) {
            adopt_look_aside(session, s);
            sites->sessions[v->n++] = session;
            find_around(f, session, v->n - 1);
            return 0;
        }
    }
    sql_session_close(session);
    free(session);
    return 0;
}

int adopt_survey_find(struct adopt_sites *sites)
{
    struct finder *f = calloc(1, sizeof *f);
    int rc = f == NULL ? ERR_NOMEM : 0;
    if (f == NULL)
        return rc;
    f->sites = sites;
    for (unsigned i = 0; i < sites->order->n_seeds; i++)
        add_place(f, sites->order->seeds[i].host, sites->order->seeds[i].port, NODE_NONE);
    while (rc == 0 && f->looked < f->n) {
        struct place p = f->places[f->looked++];
        rc = find_at(f, &p);
    }
    free(f);
    adopt_link(&sites->survey);
    adopt_settle_lost(&sites->survey);
    if (rc == 0 && sites->survey.n == 0)
        rc = ERR_NOTFOUND;
    return rc;
}

int adopt_survey_look_one(struct adopt_sites *sites, unsigned server, struct errmsg *msg)
{
    struct survey_server *s = &sites->survey.servers[server];
    int rc = adopt_look_at(sites->sessions[server], s);
    if (rc != 0)
        return errmsg_set(msg, rc, "%s:%u: %s", s->host, s->port, sites->sessions[server]->error);
    return 0;
}

int adopt_survey_look(struct adopt_sites *sites, unsigned root, struct errmsg *msg)
{
    struct survey *v = &sites->survey;
    int rc = 0;
    unsigned depth = v->n + 1;
    while (depth-- > 0 && rc == 0) {
        for (unsigned i = 0; rc == 0 && i < v->n; i++) {
            if (adopt_depth(v, root, i) == depth)
                rc = adopt_survey_look_one(sites, i, msg);
        }
    }
    adopt_link(v);
    return rc;
}

void adopt_survey_free(struct adopt_sites *sites)
{
    for (unsigned i = 0; i < sites->survey.n; i++) {
        sql_session_close(sites->sessions[i]);
        free(sites->sessions[i]);
    }
}
