/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/salvage_view.h"

#include <inttypes.h>
#include <libsmartcols.h>

#include "cli/cli_ask.h"

enum list_column {
    LIST_NAME,
    LIST_NODE,
    LIST_EPOCH,
    LIST_WHEN,
    LIST_COUNT,
    LIST_GTIDS,
    LIST_BYTES,
    LIST_CLASS,
    LIST_STATE,
    LIST_RESTORE,
    LIST_WHY,
    LIST_COLUMNS
};

enum group_column { GROUP_GTID, GROUP_KIND, GROUP_TIME, GROUP_BYTES, GROUP_WHAT, GROUP_COLUMNS };

static struct libscols_table *table_new(const char *const *headings, unsigned n, FILE *out)
{
    struct libscols_table *table = scols_new_table();
    if (table == NULL)
        return NULL;
    scols_table_set_stream(table, out);
    for (unsigned i = 0; i < n; i++) {
        bool number = strcmp(headings[i], "BYTES") == 0 || strcmp(headings[i], "EPOCH") == 0 ||
                      strcmp(headings[i], "TRANSACTIONS") == 0;
        (void)scols_table_new_column(table, headings[i], 0, number ? SCOLS_FL_RIGHT : 0);
    }
    return table;
}

static void set_number(struct libscols_line *line, size_t column, const json_t *object,
                       const char *key)
{
    char text[32] = "-";
    if (json_is_integer(json_object_get(object, key)))
        (void)snprintf(text, sizeof text, "%" PRId64, json_member_number(object, key, 0));
    (void)scols_line_set_data(line, column, text);
}

/* 20261122T224352Z, as a manifest says it. */
static void when_text(const json_t *object, char *buf, size_t size)
{
    const char *t = json_member_text(object, "created", "");
    if (strlen(t) == 16 && t[8] == 'T')
        (void)snprintf(buf, size, "%.4s-%.2s-%.2s %.2s:%.2s:%.2s UTC", t, t + 4, t + 6, t + 9,
                       t + 11, t + 13);
    else
        (void)snprintf(buf, size, "%s", t[0] != '\0' ? t : "-");
}

static void list_line(struct libscols_table *table, const json_t *s)
{
    struct libscols_line *line = scols_table_new_line(table, NULL);
    char when[64];
    if (line == NULL)
        return;
    when_text(s, when, sizeof when);
    (void)scols_line_set_data(line, LIST_NAME, json_member_text(s, "name", "?"));
    (void)scols_line_set_data(line, LIST_NODE, json_member_text(s, "node", "-"));
    set_number(line, LIST_EPOCH, s, "epoch");
    (void)scols_line_set_data(line, LIST_WHEN, when);
    set_number(line, LIST_COUNT, s, "transactions");
    (void)scols_line_set_data(line, LIST_GTIDS, json_member_text(s, "gtids", "-"));
    set_number(line, LIST_BYTES, s, "bytes");
    (void)scols_line_set_data(line, LIST_CLASS, json_member_text(s, "class", "-"));
    (void)scols_line_set_data(line, LIST_STATE,
                              json_member_is(s, "complete") ? "complete" : "unfinished");
    (void)scols_line_set_data(line, LIST_RESTORE, json_member_is(s, "restorable") ? "yes" : "no");
    (void)scols_line_set_data(line, LIST_WHY, json_member_text(s, "why", "-"));
}

void salvage_view_list(const json_t *list, FILE *out)
{
    static const char *const headings[LIST_COLUMNS] = {
        "NAME",  "NODE",  "EPOCH", "WHEN",       "TRANSACTIONS", "GTIDS",
        "BYTES", "CLASS", "STATE", "RESTORABLE", "WHY"};
    struct libscols_table *table = table_new(headings, LIST_COLUMNS, out);
    if (table == NULL)
        return;
    for (size_t i = 0; i < json_array_size(list); i++)
        list_line(table, json_array_get(list, i));
    (void)scols_print_table(table);
    scols_unref_table(table);
    fputc('\n', out);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *s = json_array_get(list, i);
        if (!json_member_is(s, "restorable"))
            fprintf(out, "%s is not to be restored: %s\n", json_member_text(s, "name", "?"),
                    json_member_text(s, "why_not", "?"));
    }
}

static void group_line(struct libscols_table *table, const json_t *group)
{
    struct libscols_line *line = scols_table_new_line(table, NULL);
    time_t seconds = (time_t)json_member_number(group, "time_s", 0);
    char when[32] = "-";
    struct tm tm;
    if (line == NULL)
        return;
    if (seconds > 0 && gmtime_r(&seconds, &tm) != NULL)
        (void)strftime(when, sizeof when, "%Y-%m-%d %H:%M:%S UTC", &tm);
    (void)scols_line_set_data(line, GROUP_GTID, json_member_text(group, "gtid", "-"));
    (void)scols_line_set_data(line, GROUP_KIND, json_member_text(group, "kind", "-"));
    (void)scols_line_set_data(line, GROUP_TIME, when);
    set_number(line, GROUP_BYTES, group, "bytes");
    (void)scols_line_set_data(line, GROUP_WHAT, json_member_text(group, "what", "-"));
}

static void print_groups(const json_t *manifest, FILE *out)
{
    static const char *const headings[GROUP_COLUMNS] = {"GTID", "KIND", "TIME", "BYTES", "WHAT"};
    const json_t *groups = json_object_get(manifest, "transactions");
    int64_t count = json_member_number(manifest, "groups", 0);
    struct libscols_table *table = table_new(headings, GROUP_COLUMNS, out);
    if (table == NULL)
        return;
    for (size_t i = 0; i < json_array_size(groups); i++)
        group_line(table, json_array_get(groups, i));
    fputc('\n', out);
    (void)scols_print_table(table);
    scols_unref_table(table);
    fputc('\n', out);
    if (count > (int64_t)json_array_size(groups))
        fprintf(out, "... and %" PRId64 " more, which the manifest does not name\n",
                count - (int64_t)json_array_size(groups));
}

static void print_text(const json_t *object, const char *key, const char *label, FILE *out)
{
    const char *text = json_member_text(object, key, "");
    if (text[0] != '\0')
        fprintf(out, "%-12s%s\n", label, text);
}

static void print_files(const json_t *manifest, FILE *out)
{
    const json_t *files = json_object_get(manifest, "files");
    for (size_t i = 0; i < json_array_size(files); i++) {
        const json_t *f = json_array_get(files, i);
        fprintf(out, "%-12s%s  %" PRId64 " bytes, from %s\n", i == 0 ? "files" : "",
                json_member_text(f, "name", "?"), json_member_number(f, "bytes", 0),
                json_member_text(f, "source", "?"));
        if (json_member_text(f, "damage", NULL) != NULL)
            fprintf(out, "%-12s  its source is damaged: %s\n", "",
                    json_member_text(f, "damage", ""));
    }
}

/* Was anybody promised it, and by which rule that was judged. */
static void print_class(const json_t *manifest, FILE *out)
{
    const json_t *c = json_object_get(manifest, "class");
    if (json_is_object(c))
        fprintf(out, "%-12s%s (%s): %s\n", "class", json_member_text(c, "id", "?"),
                json_member_text(c, "rule", "?"), json_member_text(c, "text", ""));
}

void salvage_view_one(const json_t *s, FILE *out)
{
    const json_t *manifest = json_object_get(s, "manifest");
    char when[64];
    when_text(s, when, sizeof when);
    print_text(s, "name", "salvage", out);
    print_text(s, "path", "directory", out);
    if (json_is_object(manifest)) {
        fprintf(out, "%-12s%s, epoch %" PRId64 ", %s\n", "node", json_member_text(s, "node", "?"),
                json_member_number(s, "epoch", 0), when);
        print_text(s, "kind", "kind", out);
        print_text(s, "why", "why", out);
        print_class(manifest, out);
        print_text(manifest, "server_version", "server", out);
        print_text(manifest, "binlog_file", "binlog", out);
        if (json_object_get(manifest, "cut") != NULL)
            fprintf(out, "%-12sat %" PRId64 " of %" PRId64 " bytes\n", "cut",
                    json_member_number(manifest, "cut", 0),
                    json_member_number(manifest, "binlog_size", 0));
        print_text(manifest, "seal", "seal", out);
        print_text(manifest, "writer", "writer had", out);
        print_text(manifest, "extra", "extra", out);
        print_files(manifest, out);
    }
    if (!json_member_is(s, "complete"))
        fprintf(out, "%-12sno: nothing was cut for it\n", "complete");
    fprintf(out, "%-12s%s%s\n", "restorable",
            json_member_is(s, "restorable") ? "yes" : "no: ", json_member_text(s, "why_not", ""));
    if (json_is_object(manifest))
        print_groups(manifest, out);
}
