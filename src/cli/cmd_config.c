/* SPDX-License-Identifier: Apache-2.0 */
/* tandem config check|show|reference [FILE] */
#include <inttypes.h>
#include <libsmartcols.h>

#include "cli/cli.h"
#include "io/config/config_file.h"
#include "io/config/reference.h"

enum {
    COLUMN_NODE,
    COLUMN_ADDRESS,
    COLUMN_ROLE,
    COLUMN_PRIORITY,
    COLUMN_FOLLOWS,
    COLUMN_VOTES,
    COLUMNS
};

static void table_row(struct libscols_table *table, const struct cluster_config *c, unsigned i)
{
    const struct config_node *n = &c->nodes[i];
    struct libscols_line *line = scols_table_new_line(table, NULL);
    char priority[16] = "";
    const char *follows = "";
    int rc = line != NULL ? 0 : -1;
    if (n->role == CONFIG_ROLE_CANDIDATE)
        (void)snprintf(priority, sizeof priority, "%u%s", n->priority,
                       n->no_promote ? " (no)" : "");
    if (n->role == CONFIG_ROLE_REPLICA)
        follows = n->source == NODE_NONE ? "writer" : c->nodes[n->source].name;
    if (rc == 0)
        rc = scols_line_set_data(line, COLUMN_NODE, n->name);
    if (rc == 0)
        rc = scols_line_set_data(line, COLUMN_ADDRESS, n->address);
    if (rc == 0)
        rc = scols_line_set_data(line, COLUMN_ROLE, config_role_text(n->role));
    if (rc == 0)
        rc = scols_line_set_data(line, COLUMN_PRIORITY, priority);
    if (rc == 0)
        rc = scols_line_set_data(line, COLUMN_FOLLOWS, follows);
    if (rc == 0)
        (void)scols_line_set_data(line, COLUMN_VOTES, config_node_is_voter(c, i) ? "yes" : "");
}

static void print_nodes(const struct cluster_config *c, FILE *out)
{
    static const char *const headings[COLUMNS] = {"NODE",     "ADDRESS", "ROLE",
                                                  "PRIORITY", "FOLLOWS", "VOTES"};
    struct libscols_table *table = scols_new_table();
    if (table == NULL)
        return;
    scols_table_set_stream(table, out);
    for (unsigned i = 0; i < COLUMNS; i++)
        (void)scols_table_new_column(table, headings[i], 0,
                                     i == COLUMN_PRIORITY ? SCOLS_FL_RIGHT : 0);
    for (unsigned i = 0; i < c->n_nodes; i++)
        table_row(table, c, i);
    (void)scols_print_table(table);
    scols_unref_table(table);
}

static void print_voters(const struct cluster_config *c, FILE *out)
{
    unsigned count = config_voter_count(c);
    unsigned spare = count - config_majority(c);
    fputs("voters ", out);
    for (unsigned i = 0; i < c->n_nodes; i++) {
        if (config_node_is_voter(c, i))
            fprintf(out, " %s", c->nodes[i].name);
    }
    fprintf(out, "  (%s): writes go on while any %u of the %u are lost, and stop when %u are\n",
            c->arbiter.voters_chosen ? "chosen" : "default", spare, count, spare + 1);
}

static void print_vrrp(const struct cluster_config *c, FILE *out)
{
    const struct config_vrrp *v = &c->vrrp;
    fprintf(out, "vrrp     router %u, version %u, an advertisement every %u ms, %s%s%s\n",
            v->router_id, v->version, v->advert_interval_ms,
            v->unicast ? "to the other node" : "to the group",
            v->password[0] != '\0' ? ", with a password" : "",
            v->virtual_mac ? ", from the virtual router's MAC" : "");
    fprintf(out, "witness  %s\n",
            v->arbitration[0] != '\0' ? v->arbitration
                                      : "none: a silent host is taken over by hand only");
}

static void print_vips(const struct cluster_config *c, FILE *out)
{
    for (unsigned i = 0; i < c->n_vips; i++)
        fprintf(out, "vip      %s/%u on %s%s%s%s\n", c->vips[i].address, c->vips[i].prefix,
                c->vips[i].device, c->vips[i].label[0] != '\0' ? ", label " : "", c->vips[i].label,
                c->vips[i].accept ? "" : ", only held");
}

/* What an operator plans with: how long each kind of failure lasts before something is done. */
static void print_faults(const struct cluster_config *c, FILE *out)
{
    const struct config_policy *p = &c->policy;
    uint32_t hung_ms = p->probe_fall * p->probe_timeout_ms;
    fprintf(out,
            "faults   the writer's host vanishes: takeover begins after %u ms; its server hangs: "
            "found after %u to %u ms; a standby falls silent: commits wait for %u ms\n",
            config_is_pair(c) ? c->arbiter.election_timeout_ms
                              : c->arbiter.election_timeout_ms + c->arbiter.candidate_delta_ms,
            hung_ms, hung_ms + p->probe_interval_ms, p->shrink_after_ms);
}

static void print_summary(const struct cluster_config *c, const char *timing, FILE *out)
{
    const struct config_arbiter *a = &c->arbiter;
    bool vrrp = a->type == CONFIG_ARBITER_VRRP;
    fprintf(out, "cluster  %s, %u nodes, arbiter %s", c->cluster, c->n_nodes,
            config_arbiter_type_text(a->type));
    if (!vrrp)
        fprintf(out, ", profile %s", config_profile_text(a->profile));
    fputs("\n\n", out);
    print_nodes(c, out);
    fputc('\n', out);
    if (vrrp)
        print_vrrp(c, out);
    else
        print_voters(c, out);
    print_vips(c, out);
    if (!vrrp)
        fprintf(out, "timing   election %u ms, heartbeat %u ms, delta %u ms, tick %u ms; %s\n",
                a->election_timeout_ms, a->heartbeat_ms, a->candidate_delta_ms, a->tick_ms, timing);
    if (vrrp)
        fprintf(out, "timing   %s\n", timing);
    print_faults(c, out);
    fprintf(out, "policy   preempt %s, durability %s, lease scope %s\n",
            c->policy.preempt ? "yes" : "no", config_durability_text(c->policy.durability),
            config_lease_scope_text(c->policy.lease_scope));
    fprintf(out, "digest   %016" PRIx64 "\n", c->digest);
}

static int config_check_command(const struct cli *cli, const char *path)
{
    struct config_errors errors;
    struct cluster_config *c = calloc(1, sizeof *c);
    struct errmsg timing = ERRMSG_INIT;
    int err;
    if (c == NULL)
        return cli_fail(cli, "%s", err_text(ERR_NOMEM));
    err = config_load(path, c, &errors);
    if (err == 0) {
        err = cli->services->timing_check(c, &timing);
        if (err != 0)
            config_errors_add(&errors, CONFIG_ERROR, 0, "timing: %s", timing.text);
        config_check_local(c, cli_node_find(cli, c), &errors);
    }
    config_errors_print(&errors, path, cli->err);
    if (err == 0)
        print_summary(c, timing.text, cli->out);
    free(c);
    return err == 0 ? CLI_OK : CLI_FAILED;
}

static int config_show_command(const struct cli *cli, const char *path)
{
    struct config_errors errors;
    struct cluster_config *c = calloc(1, sizeof *c);
    int err;
    if (c == NULL)
        return cli_fail(cli, "%s", err_text(ERR_NOMEM));
    err = config_load(path, c, &errors);
    config_errors_print(&errors, path, cli->err);
    if (err == 0)
        config_write(c, cli->out);
    free(c);
    return err == 0 ? CLI_OK : CLI_FAILED;
}

int cmd_config(struct cli *cli)
{
    const char *verb = cli->n_args > 0 ? cli->args[0] : "";
    const char *path = cli->n_args > 1 ? cli->args[1] : cli_config_path(cli);
    if (cli->n_args > 2)
        return cli_usage(cli, "unknown argument '%s'", cli->args[2]);
    if (strcmp(verb, "check") == 0)
        return config_check_command(cli, path);
    if (strcmp(verb, "show") == 0)
        return config_show_command(cli, path);
    if (strcmp(verb, "reference") == 0 && cli->n_args == 1) {
        reference_write(cli->out);
        return CLI_OK;
    }
    return cli_usage(cli, "say what to do: check, show or reference");
}
