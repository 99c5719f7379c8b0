/* SPDX-License-Identifier: Apache-2.0 */
#include "app/adopt_file.h"

#include <ctype.h>
#include <stdarg.h>

#include "io/config/draft.h"
#include "wire/config.h"

struct drawing {
    const struct adopt_sites *sites;
    const struct survey *survey;
    const struct adopt_plan *plan;
    const struct adopt_names *names;
    unsigned order[SURVEY_SERVERS_MAX];
    struct draft draft;
};

/* --- order and names --------------------------------------------------------------------------*/

void adopt_file_order(const struct survey *v, const struct adopt_plan *p,
                      unsigned ret_order[SURVEY_SERVERS_MAX])
{
    unsigned n = 0;
    for (unsigned priority = 255; priority-- > 1;) {
        for (unsigned i = 0; i < v->n; i++) {
            if (p->roles[i].role == CONFIG_ROLE_CANDIDATE && p->roles[i].priority == priority)
                ret_order[n++] = i;
        }
    }
    for (unsigned depth = 0; depth <= v->n; depth++) {
        for (unsigned i = 0; i < v->n; i++) {
            if (p->roles[i].role != CONFIG_ROLE_CANDIDATE && adopt_depth(v, p->writer, i) == depth)
                ret_order[n++] = i;
        }
    }
}

/* The host name up to its first dot, if the cluster file takes it; false otherwise. */
static bool name_of_host(const char *hostname, char ret_name[NODE_NAME_MAX])
{
    size_t n = strcspn(hostname, ".");
    if (n == 0 || n >= NODE_NAME_MAX || !isalnum((unsigned char)hostname[0]) ||
        (n == 9 && memcmp(hostname, "localhost", n) == 0))
        return false;
    for (size_t i = 0; i < n; i++) {
        if (!isalnum((unsigned char)hostname[i]) && strchr("_-", hostname[i]) == NULL)
            return false;
    }
    memcpy(ret_name, hostname, n);
    ret_name[n] = '\0';
    return true;
}

static bool is_taken(const struct adopt_names *names, unsigned n, const char *name)
{
    for (unsigned i = 0; i < n; i++) {
        if (strcmp(names->of[i], name) == 0)
            return true;
    }
    return false;
}

static void name_by_host(const struct survey *v, unsigned i, struct adopt_names *names)
{
    char other[NODE_NAME_MAX];
    if (names->of[i][0] != '\0' || !name_of_host(v->servers[i].hostname, names->of[i]))
        return;
    for (unsigned k = 0; k < v->n; k++) {
        if (k != i &&
            (strcmp(names->of[k], names->of[i]) == 0 ||
             (name_of_host(v->servers[k].hostname, other) && strcmp(other, names->of[i]) == 0))) {
            names->of[i][0] = '\0';
            return;
        }
    }
}

void adopt_file_names(const struct adopt_sites *sites, const struct adopt_plan *plan,
                      struct adopt_names *names)
{
    const struct survey *v = &sites->survey;
    unsigned order[SURVEY_SERVERS_MAX];
    unsigned number = 0;
    memset(names, 0, sizeof *names);
    adopt_file_order(v, plan, order);
    for (unsigned i = 0; i < sites->order->n_names; i++) {
        unsigned at = adopt_survey_at(v, &sites->order->names[i].place);
        if (at != NODE_NONE)
            memcpy(names->of[at], sites->order->names[i].name, NODE_NAME_MAX);
    }
    for (unsigned i = 0; i < v->n; i++)
        name_by_host(v, i, names);
    for (unsigned k = 0; k < v->n; k++) {
        unsigned i = order[k];
        number++;
        while (names->of[i][0] == '\0') {
            char name[16];
            (void)snprintf(name, sizeof name, "m%u", number);
            names->made[i] = true;
            if (is_taken(names, v->n, name))
                number++;
            else
                memcpy(names->of[i], name, sizeof name);
        }
    }
}

/* --- the file ---------------------------------------------------------------------------------*/

/* In the block `mysql` where all servers have the same, else in each node. */
static void set_shared(struct drawing *d, const char *name, const char *node_name,
                       const char *(*value)(struct drawing *d, const struct survey_server *s))
{
    const struct survey *v = d->survey;
    const char *first = value(d, &v->servers[d->order[0]]);
    bool same = true;
    for (unsigned i = 0; i < v->n; i++)
        same = same && strcmp(value(d, &v->servers[i]), first) == 0;
    if (same && first[0] != '\0')
        draft_set(&d->draft, "mysql", "", name, first);
    for (unsigned k = 0; !same && k < v->n; k++) {
        const char *text = value(d, &v->servers[d->order[k]]);
        if (text[0] != '\0')
            draft_set(&d->draft, "node", d->names->of[d->order[k]], node_name, text);
    }
}

static const char *port_of(struct drawing *d, const struct survey_server *s)
{
    return draft_keep(&d->draft, "%u", s->port);
}

static const char *extra_port_of(struct drawing *d, const struct survey_server *s)
{
    return s->extra_port != 0 ? draft_keep(&d->draft, "%u", s->extra_port) : "";
}

/* The default is MySQL's own; a MariaDB has none, and then nobody listens there. */
static const char *x_port_of(struct drawing *d, const struct survey_server *s)
{
    return s->facts.flavour == SERVER_MYSQL ? draft_keep(&d->draft, "%u", s->x_port) : "";
}

static const char *socket_of(struct drawing *d, const struct survey_server *s)
{
    (void)d;
    return s->socket;
}

static const char *data_dir_of(struct drawing *d, const struct survey_server *s)
{
    (void)d;
    return s->data_dir;
}

static const char *pid_file_of(struct drawing *d, const struct survey_server *s)
{
    (void)d;
    return s->pid_file;
}

/* Where the drop-in of `tandem init --from` lets a server write it that has none. */
static const char *error_log_of(struct drawing *d, const struct survey_server *s)
{
    return s->error_log[0] != '\0' ? s->error_log
                                   : draft_keep(&d->draft, "%s/mysqld-error.log", s->data_dir);
}

static const char *log_bin_of(struct drawing *d, const struct survey_server *s)
{
    (void)d;
    return s->log_bin;
}

static const char *start_command_of(struct drawing *d, const struct survey_server *s)
{
    (void)d;
    return s->facts.flavour == SERVER_MYSQL ? "systemctl start mysql" : "systemctl start mariadb";
}

static void set_nodes(struct drawing *d)
{
    const struct survey *v = d->survey;
    for (unsigned k = 0; k < v->n; k++) {
        unsigned i = d->order[k];
        const struct survey_server *s = &v->servers[i];
        const char *name = d->names->of[i];
        bool candidate = d->plan->roles[i].role == CONFIG_ROLE_CANDIDATE;
        draft_set(&d->draft, "node", name, "address", s->host);
        draft_set(&d->draft, "node", name, "role", candidate ? "candidate" : "replica");
        if (candidate)
            draft_set(&d->draft, "node", name, "priority",
                      draft_keep(&d->draft, "%u", d->plan->roles[i].priority));
        else if (s->source != NODE_NONE && s->source != d->plan->writer)
            draft_set(&d->draft, "node", name, "source", d->names->of[s->source]);
    }
    for (unsigned i = 0; i < d->sites->order->n_extra; i++) {
        const struct adopt_extra *x = &d->sites->order->extra[i];
        draft_set(&d->draft, "node", x->name, "address", x->address);
        draft_set(&d->draft, "node", x->name, "role", x->role);
    }
}

/* ADDRESS/PREFIX@DEVICE[:LABEL] */
static void set_vips(struct drawing *d)
{
    for (unsigned i = 0; i < d->sites->order->n_vips; i++) {
        const char *spec = d->sites->order->vips[i];
        const char *at = strchr(spec, '@');
        int device = (int)strcspn(at + 1, ":");
        const char *title = draft_keep(&d->draft, "%.*s", (int)(at - spec), spec);
        draft_set(&d->draft, "virtual_ipaddress", title, "device",
                  draft_keep(&d->draft, "%.*s", device, at + 1));
        if (at[1 + device] == ':')
            draft_set(&d->draft, "virtual_ipaddress", title, "label", at + 1);
    }
}

static void set_all(struct drawing *d)
{
    const struct adopt_order *o = d->sites->order;
    draft_set(&d->draft, "", "", "cluster", o->cluster != NULL ? o->cluster : "adopted");
    set_vips(d);
    set_nodes(d);
    set_shared(d, "port", "mysql_port", port_of);
    set_shared(d, "extra_port", "extra_port", extra_port_of);
    set_shared(d, "x_port", "x_port", x_port_of);
    set_shared(d, "socket", "socket", socket_of);
    set_shared(d, "data_dir", "data_dir", data_dir_of);
    set_shared(d, "pid_file", "pid_file", pid_file_of);
    set_shared(d, "error_log", "error_log", error_log_of);
    set_shared(d, "log_bin", "log_bin", log_bin_of);
    set_shared(d, "start_command", "start_command", start_command_of);
}

/* --- what is left to the operator -------------------------------------------------------------*/

static void left(FILE *err, const char *option, const char *fmt, ...) PRINTF_LIKE(3, 4);
static void left(FILE *err, const char *option, const char *fmt, ...)
{
    va_list ap;
    fprintf(err, "left to you: %s: ", option);
    va_start(ap, fmt);
    (void)vfprintf(err, fmt, ap);
    va_end(ap);
    fputc('\n', err);
}

static void left_of_nodes(const struct drawing *d, FILE *err)
{
    const struct survey *v = d->survey;
    for (unsigned k = 0; k < v->n; k++) {
        const struct survey_server *s = &v->servers[d->order[k]];
        const char *name = d->names->of[d->order[k]];
        if (d->names->made[d->order[k]])
            left(err, name,
                 "the name was made up, since its host name '%s' is no name of its own; "
                 "--name %s:%u=NAME gives another",
                 s->hostname, s->host, s->port);
        if (s->other_host[0] != '\0')
            left(err, name,
                 "%s and %s lead to this server; the first is written as its address. If one of "
                 "them is a virtual address, that belongs into virtual_ipaddress, and the other "
                 "into the node",
                 s->host, s->other_host);
        if (strncmp(s->host, "127.", 4) == 0 || strcmp(s->host, "::1") == 0)
            left(err, name, "%s is loopback: write the address at which the others reach it",
                 s->host);
        if (s->error_log[0] == '\0')
            left(err, name,
                 "it writes no error log of its own; error_log is where the drop-in of `tandem "
                 "init` lets it write one");
        if (s->source_user[0] != '\0')
            left(err, name,
                 "it replicates as '%s'; the cluster has an account of its own, replication_user, "
                 "so that one may be dropped afterwards",
                 s->source_user);
    }
}

static void left_of_cluster(const struct drawing *d, FILE *err)
{
    const struct adopt_order *o = d->sites->order;
    if (d->plan->writer_doubtful)
        left(err, "priority", "that %s is the writer is a guess (%s); --writer HOST settles it",
             d->names->of[d->plan->writer], d->plan->writer_why);
    if (d->plan->candidates_doubtful)
        left(err, "role",
             "which nodes may become the writer is a guess: no other server is half "
             "of a mutual pair or acknowledges by semi-sync");
    if (o->cluster == NULL)
        left(err, "cluster", "its name; --cluster NAME. It is part of the certificates");
    if (o->n_vips == 0)
        left(err, "virtual_ipaddress",
             "no server knows the address that the clients use, nor the device that carries it; "
             "--vip ADDRESS/PREFIX@DEVICE");
    left(err, "arbiter",
         "voters are the candidates and witnesses, padded with replicas to an odd number of at "
         "least three; voters = {...} says otherwise, --node NAME=ADDRESS adds a witness");
    left(err, "start_command",
         "that of the Debian packages; and each host's unit must not start the server by itself");
    left(err, "hooks", "no program is called when a state changes");
}

/* The drop-in numbers the servers in the order of the file. */
static void next_steps(const struct drawing *d, FILE *err)
{
    const struct survey *v = d->survey;
    const struct server_facts *first = &v->servers[d->order[0]].facts;
    const char *path = d->sites->order->out != NULL ? d->sites->order->out : "FILE";
    uint32_t highest = 0;
    bool consecutive = true;
    for (unsigned k = 0; k < v->n; k++) {
        uint32_t id = v->servers[d->order[k]].facts.server_id;
        highest = id > highest ? id : highest;
        consecutive = consecutive && id == first->server_id + k;
    }
    fprintf(err,
            "\nLook through it, then: tandem init --from %s --dir DIR --flavour %s "
            "--first-server-id %u\n",
            path,
            first->flavour == SERVER_MARIADB ? "mariadb"
            : first->version >= 80026        ? "mysql"
                                             : "mysql-5.7",
            consecutive ? first->server_id : highest + 1);
    if (!consecutive)
        fprintf(err, "(server ids anew, above all that are in use: an old number never means "
                     "another server)\n");
}

/* --- writing ----------------------------------------------------------------------------------*/

bool adopt_file_write(const struct adopt_sites *sites, const struct adopt_plan *plan,
                      const struct adopt_names *names, FILE *out, FILE *err)
{
    const char *path = sites->order->out;
    struct errmsg m = ERRMSG_INIT;
    struct drawing *d = calloc(1, sizeof *d);
    char *text = NULL;
    size_t length = 0;
    FILE *memory = d != NULL ? open_memstream(&text, &length) : NULL;
    int rc;
    if (memory == NULL) {
        fprintf(err, "tandem adopt: %s\n", err_text(ERR_NOMEM));
        free(d);
        return false;
    }
    d->sites = sites;
    d->survey = &sites->survey;
    d->plan = plan;
    d->names = names;
    adopt_file_order(d->survey, plan, d->order);
    set_all(d);
    rc = draft_write(&d->draft, memory);
    if (fclose(memory) != 0)
        rc = ERR_NOMEM;
    left_of_nodes(d, err);
    left_of_cluster(d, err);
    rc = rc != 0 ? errmsg_set(&m, rc, "%s", err_text(rc)) : draft_store(text, path, out, err, &m);
    if (rc != 0)
        fprintf(err, "tandem adopt: %s\n", m.text);
    else if (path != NULL)
        fprintf(err, "\n%s is written.\n", path);
    if (rc == 0)
        next_steps(d, err);
    free(text);
    draft_free(&d->draft);
    free(d);
    return rc == 0;
}
