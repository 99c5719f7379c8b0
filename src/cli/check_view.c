/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/check_view.h"

#include <string.h>

#include "cli/cli_ask.h"

enum check_view_level { VIEW_OK, VIEW_UNKNOWN, VIEW_WARNING, VIEW_FAULT, VIEW_LEVELS };

static enum check_view_level view_level(const json_t *check)
{
    static const char *const names[VIEW_LEVELS] = {"ok", "unknown", "warning", "fault"};
    const char *text = json_member_text(check, "level", "");
    for (unsigned i = 0; i < VIEW_LEVELS; i++) {
        if (strcmp(text, names[i]) == 0)
            return (enum check_view_level)i;
    }
    /* Of a program that is newer than this one. */
    return VIEW_UNKNOWN;
}

static json_t *view_checks(const json_t *node)
{
    return json_object_get(node, "checks");
}

static void merge_check(json_t *list, json_t *check)
{
    const char *id = json_member_text(check, "id", "");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *have = json_array_get(list, i);
        if (strcmp(json_member_text(have, "id", ""), id) != 0)
            continue;
        if (view_level(have) == VIEW_UNKNOWN && view_level(check) != VIEW_UNKNOWN)
            (void)json_array_set(list, i, check);
        return;
    }
    (void)json_array_append(list, check);
}

void check_view_merge(json_t *report, const json_t *local)
{
    const json_t *nodes = json_object_get(local, "nodes");
    for (size_t i = 0; i < json_array_size(nodes); i++) {
        json_t *node = json_array_get(nodes, i);
        const json_t *to = json_member_node(report, json_member_text(node, "name", ""));
        const json_t *checks = view_checks(node);
        if (to == NULL) {
            (void)json_array_append(json_object_get(report, "nodes"), node);
            continue;
        }
        for (size_t k = 0; k < json_array_size(checks); k++)
            merge_check(view_checks(to), json_array_get(checks, k));
    }
}

static void view_count(const json_t *node, unsigned counts[VIEW_LEVELS])
{
    const json_t *checks = view_checks(node);
    for (size_t i = 0; i < json_array_size(checks); i++)
        counts[view_level(json_array_get(checks, i))]++;
}

static void view_count_all(const json_t *report, unsigned counts[VIEW_LEVELS])
{
    const json_t *nodes = json_object_get(report, "nodes");
    for (size_t i = 0; i < json_array_size(nodes); i++)
        view_count(json_array_get(nodes, i), counts);
}

int check_view_worst(const json_t *report)
{
    unsigned counts[VIEW_LEVELS] = {0};
    view_count_all(report, counts);
    return counts[VIEW_FAULT] > 0 ? 2 : counts[VIEW_WARNING] > 0 ? 1 : 0;
}

static void print_counts(const unsigned counts[VIEW_LEVELS], FILE *out)
{
    fprintf(out, "%u ok", counts[VIEW_OK]);
    if (counts[VIEW_WARNING] > 0)
        fprintf(out, ", %u warning%s", counts[VIEW_WARNING], counts[VIEW_WARNING] > 1 ? "s" : "");
    if (counts[VIEW_FAULT] > 0)
        fprintf(out, ", %u fault%s", counts[VIEW_FAULT], counts[VIEW_FAULT] > 1 ? "s" : "");
    if (counts[VIEW_UNKNOWN] > 0)
        fprintf(out, ", %u not known", counts[VIEW_UNKNOWN]);
}

static void print_check(const json_t *check, FILE *out)
{
    static const char *const words[VIEW_LEVELS] = {"ok", "unknown", "WARNING", "FAULT"};
    enum check_view_level level = view_level(check);
    const char *detail = json_member_text(check, "detail", "");
    bool wrong = level == VIEW_WARNING || level == VIEW_FAULT;
    fprintf(out, "  %-7s  %s: %s?%s%s%s\n", words[level], json_member_text(check, "id", "?"),
            json_member_text(check, "asked", "?"), wrong ? " No" : "",
            detail[0] == '\0' ? ""
            : wrong           ? ": "
                              : " ",
            detail);
    if (!wrong)
        return;
    fprintf(out, "           why  %s\n", json_member_text(check, "why", ""));
    fprintf(out, "           fix  %s\n", json_member_text(check, "fix", ""));
}

void check_view_print(const json_t *report, const char *self, bool all, FILE *out)
{
    const json_t *nodes = json_object_get(report, "nodes");
    unsigned sum[VIEW_LEVELS] = {0};
    for (size_t i = 0; i < json_array_size(nodes); i++) {
        const json_t *node = json_array_get(nodes, i);
        const json_t *checks = view_checks(node);
        const char *name = json_member_text(node, "name", "?");
        unsigned counts[VIEW_LEVELS] = {0};
        view_count(node, counts);
        fprintf(out, "%s%s: ", name, strcmp(name, self) == 0 ? " (this host)" : "");
        print_counts(counts, out);
        fputc('\n', out);
        for (size_t k = 0; k < json_array_size(checks); k++) {
            const json_t *check = json_array_get(checks, k);
            if (all || view_level(check) >= VIEW_WARNING)
                print_check(check, out);
        }
    }
    view_count_all(report, sum);
    fputs("\nall: ", out);
    print_counts(sum, out);
    fputc('\n', out);
    if (sum[VIEW_UNKNOWN] > 0 && !all)
        fputs("What is not known: --all names it. Files, privileges and tables are seen only by "
              "`tandem check` on the host itself.\n",
              out);
}
