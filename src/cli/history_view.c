/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/history_view.h"

#include <inttypes.h>
#include <libsmartcols.h>

#include "cli/cli_ask.h"

#define HISTORY_SHOWN_MAX 64
#define HISTORY_MS_MAX 32

enum history_column {
    HISTORY_AT,
    HISTORY_TOOK,
    HISTORY_NODE,
    HISTORY_STEP,
    HISTORY_NOTE,
    HISTORY_COLUMNS
};

static void history_date(int64_t wall_ms, char *buf, size_t size)
{
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm tm;
    char date[32] = "?";
    if (gmtime_r(&seconds, &tm) != NULL)
        (void)strftime(date, sizeof date, "%Y-%m-%d %H:%M:%S", &tm);
    (void)snprintf(buf, size, "%s.%03d UTC", date, (int)(wall_ms % 1000));
}

/* A step or an event that was longer than its 32 bits of microseconds says so; in the status and
 * the log as well (wire/record.h). */
static const char *history_ms(const json_t *object, const char *key, char buf[HISTORY_MS_MAX])
{
    int64_t us = json_member_number(object, key, 0);
    if (us >= UINT32_MAX)
        (void)snprintf(buf, HISTORY_MS_MAX, "over 71 min");
    else
        (void)snprintf(buf, HISTORY_MS_MAX, "%.1f", (double)us / 1000.0);
    return buf;
}

static void history_step(struct libscols_table *table, const json_t *step)
{
    struct libscols_line *line = scols_table_new_line(table, NULL);
    char text[HISTORY_MS_MAX];
    if (line == NULL)
        return;
    (void)scols_line_set_data(line, HISTORY_AT, history_ms(step, "at_us", text));
    (void)scols_line_set_data(line, HISTORY_TOOK, history_ms(step, "took_us", text));
    (void)scols_line_set_data(line, HISTORY_NODE, json_member_text(step, "node", "-"));
    (void)scols_line_set_data(line, HISTORY_STEP, json_member_text(step, "name", "?"));
    (void)scols_line_set_data(line, HISTORY_NOTE, json_member_text(step, "note", ""));
}

static void history_steps(const json_t *steps, FILE *out)
{
    static const char *const headings[HISTORY_COLUMNS] = {"AT MS", "TOOK MS", "NODE", "STEP",
                                                          "NOTE"};
    struct libscols_table *table;
    if (json_array_size(steps) == 0)
        return;
    table = scols_new_table();
    if (table == NULL)
        return;
    scols_table_set_stream(table, out);
    for (unsigned i = 0; i < HISTORY_COLUMNS; i++)
        (void)scols_table_new_column(table, headings[i], 0, i <= HISTORY_TOOK ? SCOLS_FL_RIGHT : 0);
    for (size_t i = 0; i < json_array_size(steps); i++)
        history_step(table, json_array_get(steps, i));
    (void)scols_print_table(table);
    scols_unref_table(table);
}

void history_view_one(const json_t *h, FILE *out)
{
    char date[64];
    char took[HISTORY_MS_MAX];
    history_date(json_member_number(h, "wall_ms", 0), date, sizeof date);
    fprintf(out, "%s  %s", date, json_member_text(h, "kind", "?"));
    if (json_member_text(h, "from", NULL) != NULL || json_member_text(h, "to", NULL) != NULL)
        fprintf(out, "  %s -> %s", json_member_text(h, "from", "none"),
                json_member_text(h, "to", "none"));
    history_ms(h, "took_us", took);
    fprintf(out, "  %s%s  term %" PRId64 "  outcome: %s\n", took, took[0] == 'o' ? "" : " ms",
            json_member_number(h, "term", 0), json_member_text(h, "outcome", "?"));
    if (json_member_number(h, "rule", 0) > 0)
        fprintf(out, "because   rule %s/%" PRId64 "%s%s\n", json_member_text(h, "table", "?"),
                json_member_number(h, "rule", 0),
                json_member_text(h, "rule_text", NULL) != NULL ? ": " : "",
                json_member_text(h, "rule_text", ""));
    if (json_member_text(h, "why", NULL) != NULL)
        fprintf(out, "facts     %s\n", json_member_text(h, "why", ""));
    history_steps(json_object_get(h, "steps"), out);
}

/* In the order of their starts: they are recorded when they end, and the timeline of a takeover
 * ends when the last node follows. Returns how many; pointers belong to the list. */
static size_t history_sort(const json_t *list, const json_t *ret_sorted[HISTORY_SHOWN_MAX])
{
    size_t n = 0;
    for (size_t i = 0; i < json_array_size(list) && n < HISTORY_SHOWN_MAX; i++) {
        const json_t *h = json_array_get(list, i);
        size_t at = n++;
        while (at > 0 && json_member_number(ret_sorted[at - 1], "wall_ms", 0) >
                             json_member_number(h, "wall_ms", 0)) {
            ret_sorted[at] = ret_sorted[at - 1];
            at--;
        }
        ret_sorted[at] = h;
    }
    return n;
}

void history_view_print(const json_t *reply, size_t count, FILE *out)
{
    const json_t *sorted[HISTORY_SHOWN_MAX];
    size_t n = history_sort(json_object_get(reply, "histories"), sorted);
    size_t first = n > count ? n - count : 0;
    if (n == 0)
        fprintf(out, "nothing has happened in cluster %s yet, as far as %s knows\n",
                json_member_text(reply, "cluster", "?"), json_member_text(reply, "node", "?"));
    for (size_t i = first; i < n; i++) {
        if (i > first)
            fputc('\n', out);
        history_view_one(sorted[i], out);
    }
}
