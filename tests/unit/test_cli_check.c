/* SPDX-License-Identifier: Apache-2.0 */
/* `tandem check` as an operator sees it: merged, counted, printed, exit status. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/check_view.h"
#include "cli/cli.h"

#define CHECK_ROW(id, level, detail)                                                              \
    "{\"id\":\"" id "\",\"level\":\"" level "\",\"asked\":\"is " id " right\",\"detail\":" detail \
    ",\"why\":\"it matters\",\"fix\":\"do it\"}"

static const char agents[] =
    "{\"nodes\":[{\"name\":\"m1\",\"checks\":[" CHECK_ROW("agent", "ok", "null") "," CHECK_ROW(
        "engines", "unknown",
        "\"only there\"") "," CHECK_ROW("oom", "warning",
                                        "null") "]},"
                                                "{\"name\":\"m2\",\"checks\":[" CHECK_ROW(
                                                    "agent", "fault", "null") "]}]}";
static const char own[] = "{\"nodes\":[{\"name\":\"m1\",\"checks\":[" CHECK_ROW(
    "agent", "unknown",
    "\"not asked\"") "," CHECK_ROW("engines", "warning",
                                   "\"3 are not\"") "," CHECK_ROW("oom", "ok",
                                                                  "null") "," CHECK_ROW("root",
                                                                                        "ok",
                                                                                        "null") "]}"
                                                                                                "]"
                                                                                                "}";

static json_t *parse(const char *text)
{
    json_t *o = json_loads(text, 0, NULL);
    assert_non_null(o);
    return o;
}

static const char *level_of(const json_t *report, size_t node, const char *id)
{
    const json_t *checks =
        json_object_get(json_array_get(json_object_get(report, "nodes"), node), "checks");
    for (size_t i = 0; i < json_array_size(checks); i++) {
        const json_t *check = json_array_get(checks, i);
        if (strcmp(json_string_value(json_object_get(check, "id")), id) == 0)
            return json_string_value(json_object_get(check, "level"));
    }
    return "(none)";
}

/* An agent's answer is worth more than a look, a look more than nothing. */
static void test_merge(void **state)
{
    json_t *report = parse(agents);
    json_t *local = parse(own);
    (void)state;
    check_view_merge(report, local);
    assert_string_equal(level_of(report, 0, "agent"), "ok");
    assert_string_equal(level_of(report, 0, "engines"), "warning");
    assert_string_equal(level_of(report, 0, "oom"), "warning");
    assert_string_equal(level_of(report, 0, "root"), "ok");
    assert_string_equal(level_of(report, 1, "agent"), "fault");
    assert_int_equal(check_view_worst(report), 2);
    json_decref(report);
    report = parse("{\"nodes\":[]}");
    check_view_merge(report, local);
    assert_string_equal(level_of(report, 0, "engines"), "warning");
    assert_int_equal(check_view_worst(report), 1);
    json_decref(report);
    json_decref(local);
}

static char *view(const json_t *report, bool all)
{
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);
    assert_non_null(out);
    check_view_print(report, "m1", all, out);
    assert_int_equal(fclose(out), 0);
    return text;
}

static void test_print(void **state)
{
    json_t *report = parse(agents);
    char *text = view(report, false);
    (void)state;
    assert_string_equal(text, "m1 (this host): 1 ok, 1 warning, 1 not known\n"
                              "  WARNING  oom: is oom right? No\n"
                              "           why  it matters\n"
                              "           fix  do it\n"
                              "m2: 0 ok, 1 fault\n"
                              "  FAULT    agent: is agent right? No\n"
                              "           why  it matters\n"
                              "           fix  do it\n"
                              "\n"
                              "all: 1 ok, 1 warning, 1 fault, 1 not known\n"
                              "What is not known: --all names it. Files, privileges and tables are "
                              "seen only by `tandem check` on the host itself.\n");
    free(text);
    text = view(report, true);
    assert_non_null(strstr(text, "  ok       agent: is agent right?\n"));
    assert_non_null(strstr(text, "  unknown  engines: is engines right? only there\n"));
    free(text);
    json_decref(report);
}

/* ---- the command ---- */

static const char *the_answer; /* cli_services has no data pointer */

static json_t *fake_check_host(const struct cluster_config *c, unsigned node, const char *path,
                               bool agent_runs)
{
    assert_false(agent_runs);
    assert_string_equal(c->nodes[node].name, "m1");
    assert_non_null(strstr(path, "tandem.conf"));
    return json_loads(the_answer, 0, NULL);
}

static int run(const char *option, const char *config_text, char **ret_out)
{
    static const struct cli_services services = {.check_host = fake_check_host};
    char dir[] = "/tmp/test_cli_check.XXXXXX";
    char path[64];
    char *argv[] = {(char *)"tandem", (char *)"check", (char *)"--config", path,
                    (char *)"--node", (char *)"m1",    (char *)option,     NULL};
    char *err_text = NULL;
    size_t n = 0, n_err = 0;
    FILE *out = open_memstream(ret_out, &n);
    FILE *err = open_memstream(&err_text, &n_err);
    FILE *f;
    int status;
    assert_non_null(mkdtemp(dir));
    (void)snprintf(path, sizeof path, "%s/tandem.conf", dir);
    f = fopen(path, "we");
    assert_non_null(f);
    fprintf(f, "run_dir = \"%s\"\n%s", dir, config_text);
    assert_int_equal(fclose(f), 0);
    status = cli_main(option != NULL ? 7 : 6, argv, &services, out, err);
    (void)fclose(out);
    (void)fclose(err);
    free(err_text);
    (void)unlink(path);
    (void)rmdir(dir);
    return status;
}

#define CONFIG                                                                 \
    "cluster = demo\n"                                                         \
    "node m1 { address = \"10.0.0.1\"\n role = candidate\n priority = 100 }\n" \
    "node m2 { address = \"10.0.0.2\"\n role = candidate\n priority = 50 }\n"  \
    "node m3 { address = \"10.0.0.3\"\n role = replica }\n"

static void test_without_an_agent(void **state)
{
    char *out = NULL;
    json_t *o;
    (void)state;
    the_answer = own;
    assert_int_equal(run(NULL, CONFIG, &out), 1);
    assert_non_null(strstr(out, "No agent answers here"));
    assert_non_null(strstr(out, "engines: is engines right? No: 3 are not"));
    free(out);
    the_answer = agents;
    assert_int_equal(run("--all", CONFIG, &out), 2);
    free(out);
    the_answer = "{\"nodes\":[{\"name\":\"m1\",\"checks\":[]}]}";
    assert_int_equal(run("--json", CONFIG, &out), 0);
    o = parse(out);
    assert_true(json_is_false(json_object_get(o, "agent")));
    assert_int_equal(json_integer_value(json_object_get(o, "worst")), 0);
    assert_string_equal(json_string_value(json_object_get(o, "node")), "m1");
    json_decref(o);
    free(out);
}

static void test_no_cluster_file(void **state)
{
    char *out = NULL;
    (void)state;
    assert_int_equal(run(NULL, "nonsense = 1\n", &out), 2);
    free(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_merge),
        cmocka_unit_test(test_print),
        cmocka_unit_test(test_without_an_agent),
        cmocka_unit_test(test_no_cluster_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
