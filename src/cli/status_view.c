/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/status_view.h"

#include <inttypes.h>
#include <libsmartcols.h>

#include "cli/cli_ask.h"
#include "cli/copy_order.h"

#define VIEW_NODES_MAX 64
#define VIEW_CELL_MAX 96

enum view_column {
    VIEW_NODE,
    VIEW_STATE,
    VIEW_HEALTH,
    VIEW_IN_SYNC,
    VIEW_BEHIND,
    VIEW_LAG,
    VIEW_THREADS,
    VIEW_VIP,
    VIEW_PRIORITY,
    VIEW_AGENT,
    VIEW_SERVER,
    VIEW_NOTE,
    VIEW_COLUMNS
};

static const struct {
    const char *name;
    int flags;
} view_columns[VIEW_COLUMNS] = {
    [VIEW_NODE] = {"NODE", SCOLS_FL_TREE},
    [VIEW_STATE] = {"STATE", 0},
    [VIEW_HEALTH] = {"HEALTH", 0},
    [VIEW_IN_SYNC] = {"IN SYNC", 0},
    [VIEW_BEHIND] = {"BEHIND", SCOLS_FL_RIGHT},
    [VIEW_LAG] = {"LAG", SCOLS_FL_RIGHT},
    [VIEW_THREADS] = {"IO/SQL", 0},
    [VIEW_VIP] = {"VIP", 0},
    [VIEW_PRIORITY] = {"PRIO", SCOLS_FL_RIGHT},
    [VIEW_AGENT] = {"AGENT", 0},
    [VIEW_SERVER] = {"SERVER", 0},
    [VIEW_NOTE] = {"NOTE", SCOLS_FL_WRAP},
};

struct view {
    const json_t *status;
    const json_t *nodes;
    size_t n_nodes;
    const char *writer;
    size_t parent[VIEW_NODES_MAX]; /* n_nodes = none */
    bool colours;
    FILE *out;
    struct libscols_table *table;
};

/* ---- whom a node follows ---- */

static size_t view_find(const struct view *v, const char *name)
{
    for (size_t i = 0; i < v->n_nodes; i++) {
        if (strcmp(json_member_text(json_array_get(v->nodes, i), "name", ""), name) == 0)
            return i;
    }
    return v->n_nodes;
}

/* The node it really follows, else the one that it should. */
static size_t view_parent_of(const struct view *v, const json_t *node)
{
    const char *name = json_member_text(node, "name", "");
    const char *source = json_member_text(node, "source", NULL);
    if (source == NULL)
        source = json_member_text(node, "source_wanted", NULL);
    if (source == NULL && strcmp(json_member_text(node, "state", ""), "witness") != 0)
        source = v->writer;
    if (source == NULL || strcmp(name, v->writer) == 0 || strcmp(name, source) == 0)
        return v->n_nodes;
    return view_find(v, source);
}

/* Two servers that follow each other must not hide from the operator. */
static bool view_is_loop(const struct view *v, size_t node)
{
    size_t at = v->parent[node];
    for (size_t hops = 0; at < v->n_nodes && hops <= v->n_nodes; hops++) {
        if (at == node)
            return true;
        at = v->parent[at];
    }
    return false;
}

static void view_find_parents(struct view *v)
{
    for (size_t i = 0; i < v->n_nodes; i++)
        v->parent[i] = view_parent_of(v, json_array_get(v->nodes, i));
    for (size_t i = 0; i < v->n_nodes; i++) {
        if (view_is_loop(v, i))
            v->parent[i] = v->n_nodes;
    }
}

/* ---- cells ---- */

static const char *view_thread(const char *state)
{
    if (strcmp(state, "running") == 0)
        return "yes";
    return strcmp(state, "stopped") == 0 ? "no" : state;
}

static void view_note(const json_t *node, char *cell, size_t size)
{
    const char *words[7];
    char copy[160];
    unsigned n = 0;
    size_t used = 0;
    cell[0] = '\0';
    if (json_member_is(node, "maintenance"))
        words[n++] = "maintenance";
    if (json_member_is(node, "no_promote"))
        words[n++] = "no-promote";
    if (json_member_is(node, "quarantined"))
        words[n++] = "quarantined";
    if (json_object_get(node, "agent") != NULL && !json_member_is(node, "agent"))
        words[n++] = "agent does not answer";
    if (json_member_text(node, "repair", NULL) != NULL && !json_member_is(node, "maintenance"))
        words[n++] = json_member_text(node, "repair", "");
    else if (copy_text(node, copy, sizeof copy)[0] != '\0')
        words[n++] = copy;
    for (unsigned i = 0; i < n && used < size; i++) {
        int k = snprintf(cell + used, size - used, "%s%s", i > 0 ? ", " : "", words[i]);
        used += k > 0 ? (size_t)k : 0;
    }
}

static void view_distances(const json_t *node, char cells[][VIEW_CELL_MAX])
{
    int64_t behind = json_member_number(node, "gtid_behind", -1);
    int64_t lag_s = json_member_number(node, "lag_s", -1);
    if (behind >= 0)
        (void)snprintf(cells[VIEW_BEHIND], VIEW_CELL_MAX, "%" PRId64, behind);
    if (lag_s >= 0)
        (void)snprintf(cells[VIEW_LAG], VIEW_CELL_MAX, "%" PRId64 " s", lag_s);
    if (json_member_is(node, "facts_old"))
        (void)snprintf(cells[VIEW_THREADS], VIEW_CELL_MAX, "old");
    else if (json_member_text(node, "io", NULL) != NULL)
        (void)snprintf(cells[VIEW_THREADS], VIEW_CELL_MAX, "%s/%s",
                       view_thread(json_member_text(node, "io", "-")),
                       view_thread(json_member_text(node, "sql", "-")));
}

static void view_cells(const json_t *node, bool is_writer, char cells[][VIEW_CELL_MAX])
{
    int64_t priority = json_member_number(node, "priority", 0);
    for (unsigned i = 0; i < VIEW_COLUMNS; i++)
        (void)snprintf(cells[i], VIEW_CELL_MAX, "%s", i == VIEW_NOTE ? "" : "-");
    (void)snprintf(cells[VIEW_NODE], VIEW_CELL_MAX, "%s", json_member_text(node, "name", "?"));
    (void)snprintf(cells[VIEW_STATE], VIEW_CELL_MAX, "%s", json_member_text(node, "state", "-"));
    (void)snprintf(cells[VIEW_HEALTH], VIEW_CELL_MAX, "%s", json_member_text(node, "health", "-"));
    (void)snprintf(cells[VIEW_AGENT], VIEW_CELL_MAX, "%s",
                   json_member_text(node, "agent_version", "-"));
    (void)snprintf(cells[VIEW_SERVER], VIEW_CELL_MAX, "%s",
                   json_member_text(node, "server_version", "-"));
    if (!is_writer && strcmp(json_member_text(node, "role", ""), "candidate") == 0)
        (void)snprintf(cells[VIEW_IN_SYNC], VIEW_CELL_MAX, "%s",
                       json_member_is(node, "in_sync") ? "yes" : "no");
    (void)snprintf(cells[VIEW_VIP], VIEW_CELL_MAX, "%s", json_member_is(node, "vip") ? "yes" : "-");
    if (priority > 0)
        (void)snprintf(cells[VIEW_PRIORITY], VIEW_CELL_MAX, "%" PRId64, priority);
    if (!is_writer)
        view_distances(node, cells);
    view_note(node, cells[VIEW_NOTE], VIEW_CELL_MAX);
}

/* ---- the table ---- */

static const char *view_state_colour(const char *state)
{
    if (strcmp(state, "writer") == 0 || strcmp(state, "standby") == 0 ||
        strcmp(state, "replica") == 0)
        return "green";
    return strcmp(state, "witness") == 0 ? "cyan" : "red";
}

static void view_colour(const struct view *v, struct libscols_line *line, const json_t *node,
                        char cells[][VIEW_CELL_MAX])
{
    bool sick = strcmp(cells[VIEW_HEALTH], "ok") != 0 && strcmp(cells[VIEW_HEALTH], "-") != 0;
    if (!v->colours)
        return;
    (void)scols_cell_set_color(scols_line_get_cell(line, VIEW_STATE),
                               view_state_colour(cells[VIEW_STATE]));
    if (sick)
        (void)scols_cell_set_color(scols_line_get_cell(line, VIEW_HEALTH), "red");
    if (strcmp(cells[VIEW_IN_SYNC], "no") == 0)
        (void)scols_cell_set_color(scols_line_get_cell(line, VIEW_IN_SYNC), "yellow");
    if (cells[VIEW_THREADS][0] != '-' && !json_member_is(node, "replicating"))
        (void)scols_cell_set_color(scols_line_get_cell(line, VIEW_THREADS), "yellow");
}

static void view_add_children(const struct view *v, size_t parent, struct libscols_line *line,
                              unsigned depth)
{
    char cells[VIEW_COLUMNS][VIEW_CELL_MAX];
    if (depth > VIEW_NODES_MAX)
        return;
    for (size_t i = 0; i < v->n_nodes; i++) {
        const json_t *node = json_array_get(v->nodes, i);
        struct libscols_line *child;
        if (v->parent[i] != parent)
            continue;
        child = scols_table_new_line(v->table, line);
        if (child == NULL)
            return;
        view_cells(node, strcmp(json_member_text(node, "name", ""), v->writer) == 0, cells);
        for (unsigned c = 0; c < VIEW_COLUMNS; c++)
            (void)scols_line_set_data(child, c, cells[c]);
        view_colour(v, child, node, cells);
        view_add_children(v, i, child, depth + 1);
    }
}

static void view_table(struct view *v)
{
    v->table = scols_new_table();
    if (v->table == NULL)
        return;
    scols_table_set_stream(v->table, v->out);
    (void)scols_table_enable_colors(v->table, v->colours);
    for (unsigned i = 0; i < VIEW_COLUMNS; i++)
        (void)scols_table_new_column(v->table, view_columns[i].name, 0, view_columns[i].flags);
    view_add_children(v, v->n_nodes, NULL, 0);
    (void)scols_print_table(v->table);
    scols_unref_table(v->table);
}

/* ---- around it ---- */

static void view_paint(const struct view *v, const char *sgr, const char *text)
{
    fprintf(v->out, "%s%s%s", v->colours ? sgr : "", text, v->colours ? "\033[0m" : "");
}

static void view_head(const struct view *v)
{
    const json_t *s = v->status;
    char list[256];
    fprintf(v->out, "cluster %s   writer %s   leader %s   term %" PRId64 "   lease %" PRId64 " ms",
            json_member_text(s, "cluster", "?"), json_member_text(s, "writer", "none"),
            json_member_text(s, "leader", "none known"), json_member_number(s, "term", 0),
            json_member_number(s, "lease_ms", 0));
    fprintf(v->out, "   in sync: %s\n",
            json_array_size(json_object_get(s, "in_sync")) > 0
                ? json_member_list(s, "in_sync", list, sizeof list)
                : "none");
    if (json_member_text(s, "guarantee", NULL) != NULL)
        fprintf(v->out, "pair %s", json_member_list(s, "voters", list, sizeof list));
    else
        fprintf(v->out, "voters %s (%" PRId64 " must be up)",
                json_member_list(s, "voters", list, sizeof list),
                json_member_number(s, "majority", 0));
    fprintf(v->out, "   vip %s   asked: %s, tandem %s\n",
            json_member_list(s, "vips", list, sizeof list), json_member_text(s, "node", "?"),
            json_member_text(s, "version", "?"));
    if (json_member_is(s, "paused")) {
        view_paint(v, "\033[1;33m", "PAUSED");
        fputs(": no failure is answered; end it with `tandem resume`\n", v->out);
    }
    if (json_member_text(s, "handover", NULL) != NULL)
        fprintf(v->out, "a %s to %s is under way\n",
                json_member_is(s, "handover_forced") ? "forced failover" : "switchover",
                json_member_text(s, "handover", "?"));
}

static void view_stake(const struct view *v)
{
    const json_t *stake = json_object_get(v->status, "at_stake");
    if (json_member_number(stake, "since_wall_ms", 0) != 0)
        fprintf(v->out, "at stake: %s\n", json_member_text(stake, "text", "unknown"));
}

static void view_safe(const struct view *v)
{
    bool safe = json_member_is(v->status, "safe");
    view_paint(v, safe ? "\033[1;32m" : "\033[1;31m", safe ? "safe" : "NOT SAFE");
    fprintf(v->out, ": %s\n", json_member_text(v->status, "safe_text", "unknown"));
    view_stake(v);
    if (json_member_text(v->status, "guarantee", NULL) != NULL)
        fprintf(v->out, "arbiter vrrp: %s\n", json_member_text(v->status, "guarantee", ""));
}

static void view_troubles(const struct view *v)
{
    const json_t *list = json_object_get(v->status, "troubles");
    if (json_array_size(list) == 0)
        return;
    fputs("\ntrouble\n", v->out);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *text = json_string_value(json_array_get(list, i));
        fputs("  ", v->out);
        view_paint(v, "\033[33m", text != NULL ? text : "?");
        fputc('\n', v->out);
    }
}

void status_view_print(const json_t *status, bool colours, FILE *out)
{
    struct view v = {.status = status,
                     .nodes = json_object_get(status, "nodes"),
                     .writer = json_member_text(status, "writer", ""),
                     .colours = colours,
                     .out = out};
    v.n_nodes = json_array_size(v.nodes);
    if (v.n_nodes > VIEW_NODES_MAX)
        v.n_nodes = VIEW_NODES_MAX;
    view_find_parents(&v);
    view_head(&v);
    view_safe(&v);
    fputc('\n', out);
    view_table(&v);
    view_troubles(&v);
}
