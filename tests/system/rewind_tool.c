/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Drives io/store/rewind_job from a test: rewind-tool plan|cut|extract|recovery key=value ...;
 * prints the result as one JSON object. Exit status 0: the job ended without error; 1: it failed;
 * 2: usage. Facts are all true unless `without=` names some (comma separated, as in struct
 * rewind_facts).
 */
#include <jansson.h>
#include <uv.h>

#include "io/store/rewind_job.h"
#include "io/store/undo_text.h"

struct tool {
    struct rewind_request req;
    uint64_t expected; /* recovery: what was cut */
    uint64_t cut;
    char file[REWIND_JOB_PATH_MAX];
    int calls;
    struct rewind_result result;
};

static const char *const kinds[] = {"plan", "cut", "extract", "inspect", "undo", "recovery"};
#define KINDS ((int)(sizeof kinds / sizeof kinds[0]))

struct text_option {
    const char *key;
    char *field;
    size_t size;
};

static bool set_text(struct tool *t, const char *key, const char *value)
{
    struct rewind_request *r = &t->req;
    const struct text_option options[] = {
        {"data_dir", r->data_dir, sizeof r->data_dir},
        {"index", r->binlog_index, sizeof r->binlog_index},
        {"salvage_dir", r->salvage_dir, sizeof r->salvage_dir},
        {"error_log", r->error_log, sizeof r->error_log},
        {"node", r->node, sizeof r->node},
        {"seal", r->seal, sizeof r->seal},
        {"writer", r->writer, sizeof r->writer},
        {"extra", r->extra, sizeof r->extra},
        {"since", r->since, sizeof r->since},
        {"note", r->note, sizeof r->note},
        {"judged_by", r->judged_by, sizeof r->judged_by},
        {"judged_why", r->judged_why, sizeof r->judged_why},
        {"file", t->file, sizeof t->file},
    };
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++)
        if (strcmp(options[i].key, key) == 0)
            return snprintf(options[i].field, options[i].size, "%s", value) < (int)options[i].size;
    return false;
}

static bool set_other(struct tool *t, const char *key, const char *value)
{
    struct rewind_request *r = &t->req;
    const struct {
        const char *key;
        uint64_t *field;
    } numbers[] = {{"epoch", &r->epoch},
                   {"offset", &r->error_log_offset},
                   {"expected", &t->expected},
                   {"cut", &t->cut},
                   {"bytes_max", &r->bytes_max}};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        if (strcmp(numbers[i].key, key) == 0) {
            *numbers[i].field = strtoull(value, NULL, 10);
            return true;
        }
    if (strcmp(key, "flavour") == 0) {
        r->flavour = strcmp(value, "mysql") == 0 ? GTID_MYSQL : GTID_MARIADB;
        return true;
    }
    if (strcmp(key, "tail_class") == 0) {
        r->tail_class = (int)strtol(value, NULL, 10);
        return true;
    }
    if (strcmp(key, "without") != 0)
        return false;
    r->facts.promotions_clean = strstr(value, "promotions_clean") == NULL;
    r->facts.in_sync_non_empty = strstr(value, "in_sync_non_empty") == NULL;
    r->facts.ended_by_crash = strstr(value, "ended_by_crash") == NULL;
    r->facts.not_started_since = strstr(value, "not_started_since") == NULL;
    r->facts.xa_is_told = strstr(value, "xa_is_told") == NULL;
    r->facts.no_local_release = strstr(value, "no_local_release") == NULL;
    return true;
}

static bool parse(struct tool *t, int argc, char **argv)
{
    bool known = false;
    for (int k = 0; argc > 1 && k < KINDS; k++)
        if (strcmp(argv[1], kinds[k]) == 0) {
            t->req.kind = (enum rewind_job_kind)k;
            known = true;
        }
    t->req.facts = (struct rewind_facts){true, true, true, true, true, true};
    for (int i = 2; known && i < argc; i++) {
        char *value = strchr(argv[i], '=');
        if (value == NULL)
            return false;
        *value++ = '\0';
        known = set_text(t, argv[i], value) || set_other(t, argv[i], value);
    }
    return known;
}

static json_t *set_json(const struct gtid_set *set)
{
    char text[8192];
    return json_string(gtid_format(set, text, sizeof text) == 0 ? text : "?");
}

static json_t *plan_json(const struct rewind_plan *p)
{
    char first[GTID_ONE_TEXT_MAX] = "";
    if (p->groups > 0)
        (void)gtid_format_one(&p->first, first, sizeof first);
    return json_pack("{s:s, s:s, s:s, s:I, s:I, s:i, s:i, s:i, s:b, s:s, s:o}", "verdict",
                     rewind_verdict_text(p->verdict), "reason", rewind_reason_id(p->reason),
                     "detail", p->reason_detail, "cut", (json_int_t)p->cut, "end",
                     (json_int_t)p->end, "groups", (int)p->groups, "expected_rollbacks",
                     (int)p->expected_rollbacks, "ddl_groups", (int)p->ddl_groups, "torn", p->torn,
                     "first", first, "gtids", set_json(&p->gtids));
}

static json_t *recovery_json(const struct tool *t)
{
    const struct recovery_report *r = &t->result.recovery;
    enum recovery_verdict v =
        recovery_judge(r, t->req.flavour, (uint32_t)t->expected, t->file, t->cut);
    return json_pack("{s:s, s:b, s:b, s:b, s:i, s:i, s:i, s:i, s:i, s:i, s:s, s:I}", "verdict",
                     recovery_verdict_id(v), "found", r->found, "crash", r->crash_recovery, "ready",
                     r->ready, "starts", (int)r->starts, "prepared", (int)r->prepared,
                     "rolled_back", (int)r->rolled_back, "committed", (int)r->committed,
                     "active_rolled_back", (int)r->active_rolled_back, "ddl_entries",
                     (int)r->ddl_entries, "position_file", r->position_file, "position",
                     (json_int_t)r->position);
}

static json_t *evidence_json(uint32_t bits)
{
    static const char *const names[] = {"complete", "suffix", "crashed", "rows"};
    json_t *list = json_array();
    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++)
        if ((bits & 1u << i) != 0)
            (void)json_array_append_new(list, json_string(names[i]));
    return list;
}

/* The whole script: the test carries it out as the action session does. */
static json_t *undo_json(const struct rewind_result *res)
{
    json_t *steps = json_array();
    const struct undo_script *s = res->undo;
    for (unsigned i = 0; s != NULL && i < s->n_steps; i++)
        (void)json_array_append_new(steps,
                                    json_pack("{s:s, s:s, s:I}", "sql", s->text + s->steps[i].sql,
                                              "reason", undo_reason_id(s->steps[i].reason),
                                              "expect", (json_int_t)s->steps[i].expect));
    return json_pack("{s:s, s:s, s:i, s:i, s:o}", "reason", undo_reason_id(res->undo_reason),
                     "detail", res->undo_detail, "groups", s != NULL ? (int)s->groups : 0, "work",
                     s != NULL ? (int)s->n_work : 0, "steps", steps);
}

static int print(const struct tool *t)
{
    const struct rewind_result *res = &t->result;
    json_t *root = json_pack(
        "{s:s, s:s, s:b, s:s, s:I, s:s, s:I, s:i, s:I}", "err", err_text(res->err), "detail",
        res->errmsg.text, "cut_done", res->cut_done, "binlog_file", res->binlog_file, "file_size",
        (json_int_t)res->file_size, "salvage_path", res->salvage_path, "salvaged_bytes",
        (json_int_t)res->salvaged_bytes, "salvaged_groups", (int)res->salvaged_groups,
        "error_log_size", (json_int_t)res->error_log_size);
    (void)json_object_set_new(root, "missing", set_json(&res->missing));
    if (t->req.kind == REWIND_JOB_RECOVERY)
        (void)json_object_set_new(root, "recovery", recovery_json(t));
    else if (t->req.kind == REWIND_JOB_INSPECT)
        (void)json_object_set_new(root, "evidence", evidence_json(res->evidence));
    else if (t->req.kind == REWIND_JOB_UNDO)
        (void)json_object_set_new(root, "undo", undo_json(res));
    else if (t->req.kind != REWIND_JOB_EXTRACT)
        (void)json_object_set_new(root, "plan", plan_json(&res->plan));
    (void)json_dumpf(root, stdout, JSON_INDENT(1));
    (void)putchar('\n');
    json_decref(root);
    return res->err == 0 ? 0 : 1;
}

static void done(void *data, const struct rewind_result *result)
{
    struct tool *t = data;
    t->calls++;
    t->result = *result;
}

int main(int argc, char **argv)
{
    static struct tool t;
    static struct rewind_job job;
    uv_loop_t loop;
    int status;
    if (!parse(&t, argc, argv)) {
        (void)fputs("usage: rewind-tool plan|cut|extract|inspect|undo|recovery key=value ...\n",
                    stderr);
        return 2;
    }
    if (uv_loop_init(&loop) != 0 || rewind_job_start(&job, &loop, &t.req, done, &t) != 0 ||
        rewind_job_start(&job, &loop, &t.req, done, &t) != ERR_BUSY)
        return 3;
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    if (t.calls != 1 || uv_loop_close(&loop) != 0)
        return 3;
    status = print(&t);
    undo_script_free(t.result.undo);
    return status;
}
