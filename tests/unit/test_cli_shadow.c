/* SPDX-License-Identifier: Apache-2.0 */
/* tandem shadow --show, and what tandem shadow and tandem hold refuse or hand on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "cli/cli.h"

struct run {
    int status;
    char out[8192];
    char err[2048];
};

static int fake_shadow(const struct cluster_config *c, const char *user, const char *password_file,
                       const char *record)
{
    bool good = c->n_nodes == 3 && strcmp(user, "looks") == 0 && password_file == NULL &&
                strcmp(record, "there") == 0;
    return good ? 0 : 1;
}

static int fake_hold(const struct cluster_config *c, unsigned node, bool off, struct errmsg *m)
{
    (void)c;
    if (node == 0)
        return 0;
    return errmsg_set(m, ERR_STATE, off ? "off refused" : "on refused");
}

static struct run run(int argc, const char *const *words)
{
    static const struct cli_services services = {.run_shadow = fake_shadow, .hold = fake_hold};
    struct run r = {.status = -1};
    char *argv[16] = {NULL};
    FILE *out = fmemopen(r.out, sizeof r.out, "w");
    FILE *err = fmemopen(r.err, sizeof r.err, "w");
    assert_non_null(out);
    assert_non_null(err);
    for (int i = 0; i < argc; i++)
        argv[i] = strdup(words[i]);
    r.status = cli_main(argc, argv, &services, out, err);
    for (int i = 0; i < argc; i++)
        free(argv[i]);
    (void)fclose(out);
    (void)fclose(err);
    return r;
}

#define RUN(...)                                                                  \
    run((int)(sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *)), \
        (const char *const[]){__VA_ARGS__})

static void write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    (void)close(fd);
}

static const char record[] =
    "{\"time\":\"T1\",\"event\":\"shadow-writer\",\"text\":\"m1 is the writer\",\"why\":\"\","
    "\"rule\":\"\"}\n"
    "{\"time\":\"T2\",\"event\":\"shadow-promotes\",\"text\":\"would have promoted m2\",\"rule\":"
    "\"lead/130\",\"why\":\"it has all\",\"after_ms\":312}\n"
    "{\"time\":\"T3\",\"eve{\"time\":\"T4\",\"text\":\"of the next run\"}\n"
    "{\"time\":\"T5\",\"text\":\"goes on\"}\n"
    "{\"time\":\"T6\",\"eve";

static void test_show(void **state)
{
    char dir[] = "/tmp/test-shadow-XXXXXX", path[64];
    struct run r;
    (void)state;
    assert_non_null(mkdtemp(dir));
    (void)snprintf(path, sizeof path, "%s/record", dir);
    write_file(path, record);
    r = RUN("tandem", "shadow", "--show", path);
    assert_int_equal(r.status, CLI_OK);
    assert_non_null(strstr(r.out, "T1               m1 is the writer\n"));
    assert_non_null(strstr(r.out, "T2      +312 ms  would have promoted m2\n"));
    assert_non_null(strstr(r.out, "lead/130: it has all\n"));
    assert_non_null(strstr(r.out, "T5               goes on\n"));
    assert_non_null(strstr(r.err, "2 lines of '"));
    r = RUN("tandem", "shadow", "--show", path, "--json");
    assert_int_equal(r.status, CLI_OK);
    assert_non_null(strstr(r.out, "\"after_ms\": 312"));
    assert_null(strstr(r.out, "T3"));
    write_file(path, "");
    r = RUN("tandem", "shadow", "--show", path);
    assert_string_equal(r.out, "nothing was recorded yet\n");
    (void)unlink(path);
    r = RUN("tandem", "shadow", "--show", path);
    assert_int_equal(r.status, CLI_FAILED);
    assert_non_null(strstr(r.err, "cannot read"));
    assert_non_null(strstr(r.err, "No such file"));
    (void)rmdir(dir);
}

static void test_what_is_handed_on(void **state)
{
    const char *data = getenv("TANDEM_TEST_DATA");
    char config[512];
    struct run r;
    (void)state;
    (void)snprintf(config, sizeof config, "%s/shadow.conf", data);
    r = RUN("tandem", "shadow", "--config", config, "--user", "looks", "--record", "there");
    assert_int_equal(r.status, CLI_OK);
    r = RUN("tandem", "hold", "--config", config, "--node", "m1");
    assert_int_equal(r.status, CLI_OK);
    assert_non_null(strstr(r.out, "m1 keeps its clients"));
    r = RUN("tandem", "hold", "--config", config, "--node", "m1", "--off");
    assert_non_null(strstr(r.out, "the door of m1 is open"));
    r = RUN("tandem", "hold", "--config", config, "--node", "m2", "--off");
    assert_int_equal(r.status, CLI_FAILED);
    assert_non_null(strstr(r.err, "off refused"));
    r = RUN("tandem", "hold", "--config", config, "--node", "m3");
    assert_int_equal(r.status, CLI_FAILED);
    assert_non_null(strstr(r.err, "m3 is no candidate"));
}

/* Whoever listens there has the lease, whether he answers or not. */
static void test_hold_beside_an_agent_that_hangs(void **state)
{
    char dir[] = "/tmp/test-hold-XXXXXX", config[64], text[1024];
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct run r;
    (void)state;
    assert_non_null(mkdtemp(dir));
    (void)snprintf(at.sun_path, sizeof at.sun_path, "%s/agent.sock", dir);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(fd, 1), 0);
    (void)snprintf(config, sizeof config, "%s/tandem.conf", dir);
    (void)snprintf(text, sizeof text,
                   "cluster = demo\nrun_dir = \"%s\"\narbiter vrrp { }\nvrrp { router_id = 101 }\n"
                   "virtual_ipaddress \"172.17.0.101/16\" { device = eth0 }\n"
                   "node m1 { address = 172.17.0.10\n role = candidate\n priority = 100 }\n"
                   "node m2 { address = 172.17.0.11\n role = candidate\n priority = 50 }\n",
                   dir);
    write_file(config, text);
    r = RUN("tandem", "hold", "--config", config, "--node", "m1");
    assert_int_equal(r.status, CLI_FAILED);
    assert_non_null(strstr(r.err, "did not answer"));
    assert_string_equal(r.out, "");
    (void)close(fd);
    r = RUN("tandem", "hold", "--config", config, "--node", "m1");
    assert_int_equal(r.status, CLI_OK);
    (void)unlink(config);
    (void)unlink(at.sun_path);
    (void)rmdir(dir);
}

static void test_wrong_command_lines(void **state)
{
    (void)state;
    assert_int_equal(RUN("tandem", "shadow", "x").status, CLI_USAGE);
    assert_int_equal(RUN("tandem", "shadow", "--json").status, CLI_USAGE);
    assert_int_equal(RUN("tandem", "hold", "x").status, CLI_USAGE);
    assert_int_equal(RUN("tandem", "shadow", "--config", "/nonexistent").status, CLI_FAILED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_show),
        cmocka_unit_test(test_what_is_handed_on),
        cmocka_unit_test(test_hold_beside_an_agent_that_hangs),
        cmocka_unit_test(test_wrong_command_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
