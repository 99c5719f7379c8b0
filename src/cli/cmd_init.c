/* SPDX-License-Identifier: Apache-2.0 */
/* tandem init: options -> settings -> text of the cluster file -> checked -> everything else from
 * it. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "cli/cli.h"
#include "io/config/config_file.h"
#include "io/config/init.h"
#include "io/config/option.h"
#include "io/config/reference.h"

#define INIT_SETTINGS_MAX (NODES_MAX * 5 + VIPS_MAX * 2 + CLI_VALUES_MAX)
#define INIT_WORDS_MAX 65536

struct init_args {
    const struct cli *cli;
    struct starter_setting settings[INIT_SETTINGS_MAX];
    unsigned n;
    char words[INIT_WORDS_MAX]; /* what settings point to, each with its end */
    size_t used;
    unsigned candidates;
};

/* Copies n bytes of text; "" when there is no room, which the bounds of the command line exclude.
 */
static const char *init_keep(struct init_args *a, const char *text, size_t n)
{
    char *at = a->words + a->used;
    if (a->used + n + 1 > sizeof a->words)
        return "";
    memcpy(at, text, n);
    at[n] = '\0';
    a->used += n + 1;
    return at;
}

static void init_add(struct init_args *a, const char *block, const char *title, const char *name,
                     const char *value)
{
    if (a->n < INIT_SETTINGS_MAX)
        a->settings[a->n++] = (struct starter_setting){block, title, name, value};
}

/* The next part of a text with colons, NULL behind the last; "[...]" is one part. */
static const char *init_part(struct init_args *a, const char **text)
{
    const char *start = *text;
    const char *end;
    if (start == NULL)
        return NULL;
    end = start[0] == '[' && strchr(start, ']') != NULL ? strchr(start, ']') + 1 : start;
    end += strcspn(end, ":");
    *text = *end == ':' ? end + 1 : NULL;
    if (start[0] == '[' && end[-1] == ']')
        return init_keep(a, start + 1, (size_t)(end - start) - 2);
    return init_keep(a, start, (size_t)(end - start));
}

/* NAME=ADDRESS[:ROLE[:PRIORITY[:SOURCE]]] */
static int init_node(struct init_args *a, const char *spec)
{
    const char *equals = strchr(spec, '=');
    const char *rest = equals != NULL ? equals + 1 : NULL;
    const char *name;
    const char *address;
    const char *role;
    const char *priority;
    const char *source;
    char text[16];
    if (equals == NULL)
        return cli_usage(a->cli, "--node '%s': write NAME=ADDRESS[:ROLE[:PRIORITY[:SOURCE]]]",
                         spec);
    name = init_keep(a, spec, (size_t)(equals - spec));
    address = init_part(a, &rest);
    role = init_part(a, &rest);
    priority = init_part(a, &rest);
    source = init_part(a, &rest);
    if (rest != NULL)
        return cli_usage(a->cli, "--node '%s': too many parts; an IPv6 address needs brackets",
                         spec);
    init_add(a, "node", name, "address", address);
    init_add(a, "node", name, "role", role != NULL && role[0] != '\0' ? role : "replica");
    if (role != NULL && strcmp(role, "candidate") == 0) {
        /* Without a priority: in the order of the command line. */
        (void)snprintf(text, sizeof text, "%u", a->candidates < 10 ? 100 - 10 * a->candidates : 1);
        a->candidates++;
        if (priority == NULL || priority[0] == '\0')
            priority = init_keep(a, text, strlen(text));
    }
    if (priority != NULL && priority[0] != '\0')
        init_add(a, "node", name, "priority", priority);
    if (source != NULL && source[0] != '\0')
        init_add(a, "node", name, "source", source);
    return CLI_OK;
}

/* ADDRESS/PREFIX@DEVICE[:LABEL] */
static int init_vip(struct init_args *a, const char *spec)
{
    const char *at = strchr(spec, '@');
    const char *title;
    size_t device;
    if (at == NULL)
        return cli_usage(a->cli, "--vip '%s': write ADDRESS/PREFIX@DEVICE[:LABEL]", spec);
    title = init_keep(a, spec, (size_t)(at - spec));
    device = strcspn(at + 1, ":");
    init_add(a, "virtual_ipaddress", title, "device", init_keep(a, at + 1, device));
    if (at[1 + device] == ':')
        init_add(a, "virtual_ipaddress", title, "label", at + 1);
    return CLI_OK;
}

/* NAME=VALUE, BLOCK.NAME=VALUE, node.NODE.NAME=VALUE; the option's name has no dot. */
static int init_set(struct init_args *a, const char *spec)
{
    const char *equals = strchr(spec, '=');
    const char *path = equals != NULL ? init_keep(a, spec, (size_t)(equals - spec)) : "";
    const char *last = strrchr(path, '.');
    const char *first = strchr(path, '.');
    const char *block = "";
    const char *title = "";
    if (path[0] == '\0')
        return cli_usage(
            a->cli, "--set '%s': write NAME=VALUE, BLOCK.NAME=VALUE or node.NODE.NAME=VALUE", spec);
    if (last != NULL)
        block = init_keep(a, path, (size_t)(first - path));
    if (last != first)
        title = init_keep(a, first + 1, (size_t)(last - first) - 1);
    if ((strcmp(block, "node") == 0) != (title[0] != '\0'))
        return cli_usage(
            a->cli, "--set '%s': a node's option is node.NODE.NAME, any other BLOCK.NAME", spec);
    if (block[0] != '\0' && strcmp(block, "node") != 0 && strcmp(block, "arbiter") != 0 &&
        strcmp(block, "tls") != 0 && strcmp(block, "mysql") != 0 && strcmp(block, "policy") != 0 &&
        strcmp(block, "hooks") != 0)
        return cli_usage(
            a->cli,
            "--set '%s': no block '%s'; allowed: arbiter, tls, mysql, policy, hooks, node.NODE",
            spec, block);
    init_add(a, block, title, last != NULL ? last + 1 : path, equals + 1);
    return CLI_OK;
}

static int init_each(struct init_args *a, const char *option,
                     int (*take)(struct init_args *a, const char *spec))
{
    unsigned position = 0;
    const char *value;
    int status = CLI_OK;
    while (status == CLI_OK && (value = cli_option_next(a->cli, option, &position)) != NULL)
        status = take(a, value);
    return status;
}

/* What the tools of the system are called differs from flavour to flavour. */
static const char *init_start_command(enum server_flavour flavour)
{
    return flavour == SERVER_MARIADB ? "systemctl start mariadb" : "systemctl start mysql";
}

/* The last one counts, as it does in the file. */
static const char *init_value(const struct init_args *a, const char *block, const char *title,
                              const char *name)
{
    for (unsigned i = a->n; i-- > 0;) {
        const struct starter_setting *s = &a->settings[i];
        if (strcmp(s->block, block) == 0 && strcmp(s->title, title) == 0 &&
            strcmp(s->name, name) == 0)
            return s->value;
    }
    return NULL;
}

static const char *init_default(const char *block, const char *name)
{
    unsigned row = 0;
    while (strcmp(option_at(row)->block, block) != 0 || strcmp(option_at(row)->name, name) != 0)
        row++; /* option_at() asserts that there is such a row */
    return option_at(row)->def;
}

/* In the data directory: the one place that every flavour's server may write to, whatever its
 * package has set up. `title`: "" or a node. */
static void init_error_log(struct init_args *a, const char *block, const char *title,
                           const char *data_dir)
{
    char path[2 * PATH_TEXT_MAX];
    (void)snprintf(path, sizeof path, "%.*s/mysqld-error.log", PATH_TEXT_MAX, data_dir);
    init_add(a, block, title, "error_log", init_keep(a, path, strlen(path)));
}

/* Nobody misses it before a writer crashes, so it is set unless the caller did. */
static void init_error_logs(struct init_args *a)
{
    const char *shared = init_value(a, "mysql", "", "data_dir");
    unsigned n = a->n;
    if (init_value(a, "mysql", "", "error_log") != NULL)
        return;
    init_error_log(a, "mysql", "", shared != NULL ? shared : init_default("mysql", "data_dir"));
    for (unsigned i = 0; i < n; i++) {
        const struct starter_setting *s = &a->settings[i];
        if (strcmp(s->block, "node") == 0 && strcmp(s->name, "data_dir") == 0 &&
            init_value(a, "node", s->title, "error_log") == NULL)
            init_error_log(a, "node", s->title, init_value(a, "node", s->title, "data_dir"));
    }
}

static int init_settings(struct init_args *a, enum server_flavour flavour)
{
    const char *cluster = cli_option(a->cli, "cluster");
    const char *profile = cli_option(a->cli, "profile");
    int status;
    if (cluster == NULL)
        return cli_usage(a->cli, "--cluster NAME is missing, or --from FILE");
    init_add(a, "", "", "cluster", cluster);
    if (profile != NULL)
        init_add(a, "arbiter", "", "profile", profile);
    init_add(a, "mysql", "", "start_command", init_start_command(flavour));
    status = init_each(a, "vip", init_vip);
    if (status == CLI_OK)
        status = init_each(a, "node", init_node);
    if (status == CLI_OK)
        status = init_each(a, "set", init_set);
    if (status == CLI_OK)
        init_error_logs(a);
    return status;
}

static int init_text_of_settings(const struct cli *cli, enum server_flavour flavour, char **text,
                                 size_t *length)
{
    struct init_args *a = calloc(1, sizeof *a);
    FILE *out;
    int status;
    if (a == NULL)
        return cli_fail(cli, "%s", err_text(ERR_NOMEM));
    a->cli = cli;
    status = init_settings(a, flavour);
    out = status == CLI_OK ? open_memstream(text, length) : NULL;
    if (out != NULL) {
        starter_write(a->settings, a->n, out);
        if (fclose(out) != 0)
            status = cli_fail(cli, "%s", err_text(ERR_NOMEM));
    }
    free(a);
    return status;
}

static int init_text_of_file(const struct cli *cli, const char *path, char **text, size_t *length)
{
    FILE *in;
    if (cli_option(cli, "cluster") != NULL || cli_option(cli, "node") != NULL ||
        cli_option(cli, "vip") != NULL || cli_option(cli, "set") != NULL ||
        cli_option(cli, "profile") != NULL)
        return cli_usage(cli,
                         "--from does not go with --cluster, --node, --vip, --profile or --set");
    in = fopen(path, "re");
    if (in == NULL)
        return cli_fail(cli, "cannot read '%s': %s", path, strerror(errno));
    *text = malloc(CONFIG_FILE_MAX + 1);
    if (*text != NULL)
        *length = fread(*text, 1, CONFIG_FILE_MAX + 1, in);
    (void)fclose(in);
    return *text != NULL ? CLI_OK : cli_fail(cli, "%s", err_text(ERR_NOMEM));
}

static int init_flavour(const struct cli *cli, enum server_flavour *ret_flavour)
{
    const char *word = cli_option(cli, "flavour");
    for (int i = 0; i < SERVER_FLAVOUR_COUNT; i++) {
        if (word == NULL || strcmp(word, server_text_flavour(i)) == 0) {
            *ret_flavour = (enum server_flavour)i;
            return CLI_OK;
        }
    }
    return cli_usage(cli, "--flavour '%s': allowed: mariadb, mysql or mysql-5.7", word);
}

static int init_first_id(const struct cli *cli, unsigned *ret_first)
{
    const char *word = cli_option(cli, "first-server-id");
    char *end = NULL;
    unsigned long value = word != NULL ? strtoul(word, &end, 10) : 1;
    if (word != NULL && (word[0] < '0' || word[0] > '9' || *end != '\0'))
        value = 0;
    if (value < 1 || value > UINT32_MAX - NODES_MAX)
        return cli_usage(cli, "--first-server-id '%s': allowed: 1 to %u", word,
                         UINT32_MAX - NODES_MAX);
    *ret_first = (unsigned)value;
    return CLI_OK;
}

static void init_next_host(const struct cli *cli, const char *dir, const struct config_node *n)
{
    bool six = strchr(n->address, ':') != NULL;
    fprintf(cli->out, "     scp -rp %s/%s root@%s%s%s: && ssh root@%s sh %s/install.sh --new\n",
            dir, n->name, six ? "[" : "", n->address, six ? "]" : "", n->address, n->name);
}

static void init_next_steps(const struct cli *cli, const struct init_plan *plan)
{
    const struct cluster_config *c = plan->config;
    const char *dir = plan->dir;
    fprintf(cli->out, "%s: cluster '%s', %u nodes, written.\n\nNext:\n", dir, c->cluster,
            c->n_nodes);
    fprintf(
        cli->out,
        "1. Look through %s/tandem.conf. After a change: tandem init --from FILE --dir %s --force\n"
        "2. Copy each node's directory to its host and install it there, as root:\n",
        dir, dir);
    for (unsigned i = 0; i < c->n_nodes; i++)
        init_next_host(cli, dir, &c->nodes[i]);
    fputs("3. On each host with a server: start it, make the accounts, check that nothing else "
          "starts it:\n"
          "     the administrator's client < NODE/accounts.sql\n"
          "   The servers must hold the same data: start from empty ones, or from copies of one.\n"
          "4. On every host: systemctl enable --now tandem; then: tandem status\n\n",
          cli->out);
    fprintf(cli->out, "Keep %s/tls/ca.key to yourself: whoever has it can make nodes.\n", dir);
}

static int init_write_plan(const struct cli *cli, struct init_plan *plan, struct cluster_config *c)
{
    struct config_errors errors;
    struct errmsg msg = ERRMSG_INIT;
    const char *from = cli_option(cli, "from");
    int err = config_parse(plan->text, plan->length, c, &errors);
    /* Lines of a file that nobody has seen say nothing. */
    for (unsigned i = 0; from == NULL && i < errors.n; i++)
        errors.list[i].line = 0;
    if (err == 0)
        config_check_local(c, NODE_NONE, &errors);
    config_errors_print(&errors, from != NULL ? from : "new cluster file", cli->err);
    if (err == 0 && cli->services->timing_check(c, &msg) != 0)
        err = ERR_INVAL;
    if (err == ERR_INVAL)
        return cli_fail(cli, "timing: %s", msg.text);
    if (err != 0)
        return cli_fail(cli, "nothing was written");
    plan->config = c;
    err = init_write(plan, &msg);
    if (err != 0)
        return cli_fail(cli, "%s", msg.text);
    init_next_steps(cli, plan);
    return CLI_OK;
}

int cmd_init(struct cli *cli)
{
    struct init_plan plan = {.dir = cli_option(cli, "dir"),
                             .force = cli_option(cli, "force") != NULL,
                             .pki = {cli->services->create_ca, cli->services->create_node}};
    const char *from = cli_option(cli, "from");
    struct cluster_config *c = NULL;
    char *text = NULL;
    int status;
    if (cli->n_args > 0)
        return cli_usage(cli, "unknown argument '%s'", cli->args[0]);
    if (plan.dir == NULL)
        return cli_usage(cli, "--dir DIR is missing");
    status = init_flavour(cli, &plan.flavour);
    if (status == CLI_OK)
        status = init_first_id(cli, &plan.first_id);
    if (status == CLI_OK)
        status = from != NULL ? init_text_of_file(cli, from, &text, &plan.length)
                              : init_text_of_settings(cli, plan.flavour, &text, &plan.length);
    c = status == CLI_OK ? calloc(1, sizeof *c) : NULL;
    if (c != NULL) {
        plan.text = text;
        status = init_write_plan(cli, &plan, c);
    }
    free(c);
    free(text);
    return status;
}
