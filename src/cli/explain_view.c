/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/explain_view.h"

#include <inttypes.h>

#include "cli/cli_ask.h"

#define EXPLAIN_LIST_MAX 1024

static const char *explain_about(const char *table)
{
    if (strcmp(table, "lead") == 0)
        return "who shall be the writer (judged by the leader of the term)";
    if (strcmp(table, "writer") == 0)
        return "what the writer does next";
    return strcmp(table, "fence") == 0 ? "may this node's server be writable" : table;
}

static void explain_list(const json_t *object, const char *key, const char *what, FILE *out)
{
    char list[EXPLAIN_LIST_MAX];
    if (json_array_size(json_object_get(object, key)) > 0)
        fprintf(out, "%s %s", what, json_member_list(object, key, list, sizeof list));
}

/* "rule 30 stay (text): needs a, b; not with c" */
static void explain_passed(const json_t *rule, FILE *out)
{
    bool both = json_array_size(json_object_get(rule, "missing")) > 0 &&
                json_array_size(json_object_get(rule, "present")) > 0;
    fprintf(out, "      not %3" PRId64 " %s (%s):", json_member_number(rule, "id", 0),
            json_member_text(rule, "verdict", "?"), json_member_text(rule, "text", "?"));
    explain_list(rule, "missing", " needs", out);
    fputs(both ? ";" : "", out);
    explain_list(rule, "present", " not while", out);
    fputc('\n', out);
}

static void explain_verdict(const json_t *v, bool full, FILE *out)
{
    char facts[EXPLAIN_LIST_MAX];
    const char *table = json_member_text(v, "table", "?");
    const json_t *passed = json_object_get(v, "passed");
    if (json_member_number(v, "rule", 0) == 0) {
        if (full)
            fprintf(out, "  %-7s %s: not judged here yet\n", table, explain_about(table));
        return;
    }
    if (!full && !json_member_is(v, "current"))
        return;
    fprintf(out, "  %-7s rule %" PRId64 ", %s: %s%s\n", table, json_member_number(v, "rule", 0),
            json_member_text(v, "verdict", "?"), json_member_text(v, "text", "?"),
            json_member_is(v, "current") ? "" : " (the last time that it judged this)");
    if (!full)
        return;
    fprintf(out, "      about %s\n", explain_about(table));
    fprintf(out, "      facts %s\n",
            json_array_size(json_object_get(v, "facts")) > 0
                ? json_member_list(v, "facts", facts, sizeof facts)
                : "none of the table's");
    for (size_t i = 0; i < json_array_size(passed); i++)
        explain_passed(json_array_get(passed, i), out);
}

static void explain_node(const json_t *node, bool full, FILE *out)
{
    const json_t *verdicts = json_object_get(node, "verdicts");
    fprintf(out, "%s: ", json_member_text(node, "name", "?"));
    if (json_member_is(node, "writer"))
        fputs("is the writer", out);
    else if (json_member_is(node, "promotable"))
        fputs("may be made the writer", out);
    else
        fprintf(out, "cannot be made the writer: %s", json_member_text(node, "why_not", "?"));
    if (json_member_is(node, "writer") && json_member_text(node, "why_not", NULL) != NULL)
        fprintf(out, "; it could not be made so now: %s", json_member_text(node, "why_not", ""));
    if (!json_member_is(node, "known"))
        fputs(" (nothing was heard of it)", out);
    else if (!json_member_is(node, "fresh"))
        fputs(" (what follows is old)", out);
    fputc('\n', out);
    for (size_t i = 0; i < json_array_size(verdicts); i++)
        explain_verdict(json_array_get(verdicts, i), full, out);
}

void explain_view_print(const json_t *reply, FILE *out)
{
    const json_t *nodes = json_object_get(reply, "nodes");
    fprintf(out, "cluster %s   writer %s   leader %s   asked: %s\n%s: %s\n\n",
            json_member_text(reply, "cluster", "?"), json_member_text(reply, "writer", "none"),
            json_member_text(reply, "leader", "none known"), json_member_text(reply, "node", "?"),
            json_member_is(reply, "safe") ? "safe" : "NOT SAFE",
            json_member_text(reply, "safe_text", "unknown"));
    for (size_t i = 0; i < json_array_size(nodes); i++)
        explain_node(json_array_get(nodes, i), false, out);
    fputs("\nwhy not the other rules: tandem explain NODE\n", out);
}

bool explain_view_node(const json_t *reply, const char *name, FILE *out)
{
    const json_t *node = json_member_node(reply, name);
    if (node == NULL)
        return false;
    explain_node(node, true, out);
    return true;
}
