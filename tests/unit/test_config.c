/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cluster file: what is refused and in which words (data/config/N.conf, N.expect; with
 * TANDEM_TEST_REWRITE=1 the expectations are written instead), what the value is, and that the
 * option table, the writer, the reader and the committed reference page agree.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <dirent.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/config_timing.h"
#include "io/config/config_file.h"
#include "io/config/config_text.h"
#include "io/config/option.h"
#include "io/config/reference.h"
#include "io/config/secret.h"

#define TEXT_MAX 65536

static const char three_nodes[] = "cluster = demo\n"
                                  "virtual_ipaddress \"192.0.2.100/24\" { device = eth0 }\n"
                                  "node m1 { address = 192.0.2.1 role = candidate priority = 2 }\n"
                                  "node m2 { address = 192.0.2.2 role = candidate priority = 1 }\n"
                                  "node m3 { address = 192.0.2.3 }\n";

static const char *data_dir(void)
{
    const char *dir = getenv("TANDEM_TEST_DATA");
    assert_non_null(dir);
    return dir;
}

static char *read_text(const char *path)
{
    char *text = calloc(1, TEXT_MAX);
    FILE *in = fopen(path, "re");
    assert_non_null(text);
    if (in != NULL) {
        size_t n = fread(text, 1, TEXT_MAX - 1, in);
        assert_true(n < TEXT_MAX - 1);
        (void)fclose(in);
    }
    return text;
}

static char *written(void (*write)(const void *value, FILE *out), const void *value)
{
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    assert_non_null(out);
    write(value, out);
    assert_int_equal(fclose(out), 0);
    return text;
}

static void write_config(const void *value, FILE *out)
{
    config_write(value, out);
}

static void write_reference(const void *value, FILE *out)
{
    (void)value;
    reference_write(out);
}

/* The value of a text that must be good. */
static struct cluster_config *parsed(const char *text)
{
    struct cluster_config *c = calloc(1, sizeof *c);
    struct config_errors errors;
    assert_non_null(c);
    if (config_parse(text, strlen(text), c, &errors) != 0) {
        config_errors_print(&errors, "text", stderr);
        fail();
    }
    return c;
}

/* The errors of a text that must be refused, as one text to free. */
static char *refused(const char *text)
{
    struct cluster_config *c = calloc(1, sizeof *c);
    struct cluster_config *before = calloc(1, sizeof *before);
    struct config_errors errors;
    char *told = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&told, &length);
    assert_non_null(c);
    assert_int_equal(config_parse(text, strlen(text), c, &errors), ERR_FORMAT);
    assert_true(errors.n_errors > 0);
    /* Outputs are written on success only. */
    assert_memory_equal(c, before, sizeof *c);
    config_errors_print(&errors, "f", out);
    assert_int_equal(fclose(out), 0);
    free(c);
    free(before);
    return told;
}

static void check_case(const char *name)
{
    char path[4096];
    char *told = NULL;
    char *expected;
    size_t length = 0;
    struct config_errors errors;
    struct cluster_config *c = calloc(1, sizeof *c);
    FILE *out = open_memstream(&told, &length);
    int err;
    (void)snprintf(path, sizeof path, "%s/config/%s.conf", data_dir(), name);
    err = config_load(path, c, &errors);
    config_errors_print(&errors, name, out);
    fputs(err == 0 ? "taken\n" : "refused\n", out);
    assert_int_equal(fclose(out), 0);
    (void)snprintf(path, sizeof path, "%s/config/%s.expect", data_dir(), name);
    if (getenv("TANDEM_TEST_REWRITE") != NULL) {
        out = fopen(path, "we");
        assert_non_null(out);
        fputs(told, out);
        assert_int_equal(fclose(out), 0);
    }
    expected = read_text(path);
    if (strcmp(expected, told) != 0)
        print_error("%s: expected\n%sgot\n%s", name, expected, told);
    assert_string_equal(told, expected);
    /* The names of the files are part of what they say. */
    if ((err == 0) != (strncmp(name, "bad-", 4) != 0) ||
        (errors.n == 0) != (strncmp(name, "good-", 5) == 0))
        print_error("%s is named wrongly\n", name);
    assert_int_equal(err == 0, strncmp(name, "bad-", 4) != 0);
    assert_int_equal(errors.n == 0, strncmp(name, "good-", 5) == 0);
    free(expected);
    free(told);
    free(c);
}

static void test_files_are_judged_in_the_expected_words(void **state)
{
    char path[4096];
    char name[256];
    unsigned cases = 0;
    const struct dirent *entry;
    DIR *dir;
    (void)state;
    (void)snprintf(path, sizeof path, "%s/config", data_dir());
    dir = opendir(path);
    assert_non_null(dir);
    while ((entry = readdir(dir)) != NULL) {
        const char *dot = strrchr(entry->d_name, '.');
        if (dot == NULL || strcmp(dot, ".conf") != 0)
            continue;
        (void)snprintf(name, sizeof name, "%.*s", (int)(dot - entry->d_name), entry->d_name);
        check_case(name);
        cases++;
    }
    (void)closedir(dir);
    assert_true(cases >= 25);
}

static void test_values_of_the_reference_topology(void **state)
{
    char path[4096];
    struct config_errors errors;
    struct cluster_config *c = calloc(1, sizeof *c);
    (void)state;
    (void)snprintf(path, sizeof path, "%s/config/good-reference.conf", data_dir());
    assert_int_equal(config_load(path, c, &errors), 0);
    assert_string_equal(c->cluster, "demo");
    assert_int_equal(c->n_nodes, 5);
    assert_int_equal(c->n_vips, 1);
    assert_string_equal(c->vips[0].address, "172.17.0.101");
    assert_int_equal(c->vips[0].prefix, 16);
    assert_int_equal(c->vips[0].family, AF_INET);
    assert_string_equal(c->vips[0].label, "eth0:vip");
    assert_int_equal(c->nodes[0].role, CONFIG_ROLE_CANDIDATE);
    assert_int_equal(c->nodes[1].priority, 50);
    assert_int_equal(c->nodes[2].source, NODE_NONE);
    assert_int_equal(c->nodes[3].source, 2);
    assert_string_equal(c->nodes[4].tls.key, "/etc/tandem/tls/m5.key");
    assert_string_equal(c->nodes[4].mysql.log_bin, "/var/lib/mysql/m5-bin");
    assert_int_equal(c->policy.preempt_delay_ms, 10000);
    assert_int_equal(c->nodes[1].hooks.notify_timeout_ms, 2000);
    /* m1 m2 m3: candidates, padded with the first replica. */
    assert_int_equal(c->arbiter.voters, 7);
    assert_false(c->arbiter.voters_chosen);
    assert_int_equal(config_majority(c), 2);
    free(c);
}

static void test_own_options_and_names_in_paths(void **state)
{
    char path[4096];
    struct config_errors errors;
    struct cluster_config *c = calloc(1, sizeof *c);
    (void)state;
    (void)snprintf(path, sizeof path, "%s/config/good-one-host.conf", data_dir());
    assert_int_equal(config_load(path, c, &errors), 0);
    assert_int_equal(c->nodes[1].arbiter_port, 7602);
    assert_int_equal(c->nodes[1].mysql.port, 4002);
    assert_string_equal(c->nodes[1].state_dir, "/tmp/lab/n2/state");
    assert_string_equal(c->nodes[1].mysql.log_bin, "/tmp/lab/n2/data/n2-bin");
    assert_string_equal(c->nodes[2].mysql.log_bin, "/tmp/elsewhere/n3");
    assert_string_equal(c->nodes[0].mysql.start_command,
                        "/tmp/lab/start --name=n1 'a \"b\" \\ ${HOME}'");
    /* Three nodes share it: the address alone tells nobody apart. */
    assert_int_equal(config_node_find_address(c, "127.0.0.1"), NODE_NONE);
    assert_int_equal(config_node_find(c, "n3"), 2);
    free(c);
}

static void test_written_file_reads_back_to_the_same_value(void **state)
{
    static const char *const names[] = {"good-reference", "good-ipv6",        "good-one-host",
                                        "warn-vrrp",      "warn-vrrp-strict", "warn-vrrp-accept"};
    (void)state;
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        char path[4096];
        struct config_errors errors;
        struct cluster_config *c = calloc(1, sizeof *c);
        struct cluster_config *again;
        char *text;
        (void)snprintf(path, sizeof path, "%s/config/%s.conf", data_dir(), names[i]);
        assert_int_equal(config_load(path, c, &errors), 0);
        text = written(write_config, c);
        again = parsed(text);
        /* The written file names the voters, if there are any. */
        assert_int_equal(again->arbiter.voters_chosen, c->arbiter.type == CONFIG_ARBITER_RAFT);
        again->arbiter.voters_chosen = c->arbiter.voters_chosen;
        assert_memory_equal(again, c, sizeof *c);
        free(text);
        free(again);
        free(c);
    }
}

static void test_values_of_a_virtual_router(void **state)
{
    char path[4096];
    struct config_errors errors;
    struct cluster_config *c = calloc(1, sizeof *c);
    (void)state;
    (void)snprintf(path, sizeof path, "%s/config/warn-vrrp.conf", data_dir());
    assert_int_equal(config_load(path, c, &errors), 0);
    assert_int_equal(c->arbiter.type, CONFIG_ARBITER_VRRP);
    assert_int_equal(c->arbiter.voters, 3); /* the two candidates */
    assert_int_equal(c->vrrp.router_id, 100);
    assert_int_equal(c->vrrp.version, 2);
    assert_int_equal(c->vrrp.advert_interval_ms, 1000);
    assert_string_equal(c->vrrp.password, "1111");
    assert_false(c->vrrp.unicast);
    assert_true(c->vrrp.pseudo_header);
    assert_false(c->vrrp.virtual_mac);
    free(c);
}

/* One per number and family, IPv4 first; 0 stands for the number of the block. */
static void test_virtual_routers(void **state)
{
    char path[4096];
    struct config_errors errors;
    struct cluster_config *c = calloc(1, sizeof *c);
    (void)state;
    (void)snprintf(path, sizeof path, "%s/config/warn-vrrp-strict.conf", data_dir());
    assert_int_equal(config_load(path, c, &errors), 0);
    assert_int_equal(config_router(c, 0), 1);
    assert_int_equal(config_router(c, 1), 2);
    assert_int_equal(config_router(c, 2), 0);
    assert_int_equal(config_router(c, 3), VIP_NONE);
    assert_int_equal(config_router(c, 4), VIP_NONE);
    assert_int_equal(config_vip_router(c, 0), 100);
    assert_int_equal(config_vip_router(c, 2), 101);
    assert_true(config_vips_share_router(c, 1, 3));
    assert_false(config_vips_share_router(c, 0, 1));
    assert_false(config_vips_share_router(c, 1, 2));
    for (unsigned i = 0; i < c->n_vips; i++)
        c->vips[i].family = AF_INET6;
    assert_int_equal(config_router(c, 0), 0);
    assert_int_equal(config_router(c, 1), 2);
    assert_int_equal(config_router(c, 2), VIP_NONE);
    free(c);
}

/* Clients are served at the first address that is answered. */
static void test_address_of_clients(void **state)
{
    char path[4096];
    struct config_errors errors;
    struct cluster_config *c = calloc(1, sizeof *c);
    (void)state;
    (void)snprintf(path, sizeof path, "%s/config/warn-vrrp-accept.conf", data_dir());
    assert_int_equal(config_load(path, c, &errors), 0);
    assert_int_equal(config_client_vip(c), 1);
    assert_false(c->vips[0].accept);
    assert_true(c->vips[1].accept);
    c->vips[1].accept = c->vips[2].accept = false;
    assert_int_equal(config_client_vip(c), 0);
    /* Not at a link-local one, which is first for the sake of VRRP alone. */
    (void)snprintf(path, sizeof path, "%s/config/warn-vrrp-link-local.conf", data_dir());
    assert_int_equal(config_load(path, c, &errors), 0);
    assert_true(config_vip_is_link_local(c, 0));
    assert_int_equal(config_client_vip(c), 1);
    for (unsigned i = 1; i < c->n_vips; i++)
        c->vips[i].accept = false;
    assert_int_equal(config_client_vip(c), 0);
    free(c);
}

static void test_digest_is_of_the_meaning(void **state)
{
    char text[sizeof three_nodes + 200];
    struct cluster_config *c = parsed(three_nodes);
    struct cluster_config *same;
    struct cluster_config *other;
    (void)state;
    (void)snprintf(text, sizeof text,
                   "# a comment\n%spolicy { preempt = yes preempt_delay = 10s }\n", three_nodes);
    same = parsed(text);
    assert_int_equal(same->digest, c->digest);
    (void)snprintf(text, sizeof text, "%spolicy { preempt_delay = 10001 }\n", three_nodes);
    other = parsed(text);
    assert_int_not_equal(other->digest, c->digest);
    free(c);
    free(same);
    free(other);
}

static void test_profiles_are_those_of_the_arbiter(void **state)
{
    static const char *const words[] = {"lan", "fast"};
    (void)state;
    for (int i = 0; i < ARBITER_PROFILE_COUNT; i++) {
        char text[sizeof three_nodes + 100];
        struct errmsg msg = ERRMSG_INIT;
        struct cluster_config *c;
        struct arbiter_timing wanted = arbiter_timing_profile((enum arbiter_profile)i);
        struct arbiter_timing got;
        (void)snprintf(text, sizeof text, "%sarbiter raft { profile = %s }\n", three_nodes,
                       words[i]);
        c = parsed(text);
        got = config_timing(c);
        assert_memory_equal(&got, &wanted, sizeof got);
        assert_int_equal(config_timing_check(c, &msg), 0);
        free(c);
        (void)snprintf(text, sizeof text,
                       "%sarbiter raft { profile = %s election_timeout = 600 }\n", three_nodes,
                       words[i]);
        c = parsed(text);
        wanted = arbiter_timing_scaled((enum arbiter_profile)i, 600000);
        got = config_timing(c);
        assert_memory_equal(&got, &wanted, sizeof got);
        free(c);
    }
}

/* A hung server is the one failure that only time tells: the profile bounds it. */
static void test_profiles_bound_the_time_to_find_a_hung_server(void **state)
{
    static const struct {
        const char *profile;
        uint32_t most_ms;
    } cases[] = {{"lan", 1250}, {"fast", 250}};
    (void)state;
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[sizeof three_nodes + 100];
        const struct config_policy *p;
        struct cluster_config *c;
        (void)snprintf(text, sizeof text, "%sarbiter raft { profile = %s }\n", three_nodes,
                       cases[i].profile);
        c = parsed(text);
        p = &c->policy;
        /* One slow answer alone is not yet a failure. */
        assert_true(p->probe_fall >= 2);
        assert_true(p->probe_interval_ms + p->probe_fall * p->probe_timeout_ms <= cases[i].most_ms);
        free(c);
    }
}

static void test_timing_that_is_unsafe_is_refused(void **state)
{
    char text[sizeof three_nodes + 100];
    struct errmsg msg = ERRMSG_INIT;
    struct cluster_config *c;
    (void)state;
    (void)snprintf(text, sizeof text, "%sarbiter raft { margin = 20 }\n", three_nodes);
    c = parsed(text);
    assert_int_equal(config_timing_check(c, &msg), ERR_INVAL);
    assert_non_null(strstr(msg.text, "margin"));
    free(c);
}

static void test_bounds_of_every_number(void **state)
{
    (void)state;
    for (unsigned i = 0; i < option_count(); i++) {
        const struct option_row *o = option_at(i);
        struct cluster_config *c = calloc(1, sizeof *c);
        void *base = o->scope == OPTION_IN_NODE  ? (void *)&c->nodes[0]
                     : o->scope == OPTION_IN_VIP ? (void *)&c->vips[0]
                                                 : (void *)c;
        char text[64];
        char back[OPTION_VALUE_MAX];
        if (o->kind != OPTION_DURATION && o->kind != OPTION_COUNT && o->kind != OPTION_PORT) {
            free(c);
            continue;
        }
        assert_true(o->min < o->max);
        (void)snprintf(text, sizeof text, "%lld", (long long)o->max);
        assert_int_equal(option_read(o, text, base), 0);
        option_write(o, base, back);
        assert_string_equal(back, text);
        (void)snprintf(text, sizeof text, "%lld", (long long)o->max + 1);
        assert_int_equal(option_read(o, text, base), ERR_RANGE);
        if (o->min > 0) {
            (void)snprintf(text, sizeof text, "%lld", (long long)o->min - 1);
            assert_int_equal(option_read(o, text, base), ERR_RANGE);
        }
        /* Refused values leave the field alone. */
        (void)snprintf(text, sizeof text, "%lld", (long long)o->max);
        option_write(o, base, back);
        assert_string_equal(back, text);
        assert_int_equal(option_read(o, "", base), ERR_INVAL);
        assert_int_equal(option_read(o, "-1", base), ERR_INVAL);
        assert_int_equal(option_read(o, "0x10", base), ERR_INVAL);
        free(c);
    }
}

static void test_default_voters(void **state)
{
    static const struct {
        const char *roles; /* one letter per node: candidate, replica, witness */
        unsigned voters;
    } cases[] = {
        {"ccr", 07}, {"ccrrr", 07},     {"rrcc", 015},  {"ccw", 07},    {"ccwr", 07},
        {"ccc", 07}, {"cccrr", 07},     {"ccccr", 037}, {"ccwwr", 037}, {"crr", 07},
        {"rcc", 07}, {"ccrrrrrr", 007}, {"ccccc", 037}, {"rcrcr", 013},
    };
    (void)state;
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[2048] = "cluster = c\n";
        struct cluster_config *c;
        for (unsigned k = 0; cases[i].roles[k] != '\0'; k++) {
            char role = cases[i].roles[k];
            size_t used = strlen(text);
            (void)snprintf(text + used, sizeof text - used,
                           "node n%u { address = 192.0.2.%u role = %s", k, k + 1,
                           role == 'c'   ? "candidate"
                           : role == 'w' ? "witness"
                                         : "replica");
            used = strlen(text);
            if (role == 'c')
                (void)snprintf(text + used, sizeof text - used, " priority = %u", k + 1);
            used = strlen(text);
            (void)snprintf(text + used, sizeof text - used, " }\n");
        }
        c = parsed(text);
        assert_int_equal(c->arbiter.voters, cases[i].voters);
        free(c);
    }
}

static void test_a_broken_file_does_not_spoil_the_next(void **state)
{
    static const char *const broken[] = {"cluster = \"demo",
                                         "cluster = 'demo",
                                         "/* open",
                                         "cluster = ",
                                         "a { b { c {",
                                         "cluster = \"a\\",
                                         "\"",
                                         "'\\'",
                                         "node",
                                         "cluster = \"${HOME",
                                         "=",
                                         "}",
                                         "{",
                                         "(",
                                         "cluster {"};
    (void)state;
    for (unsigned i = 0; i < sizeof broken / sizeof *broken; i++) {
        free(refused(broken[i]));
        free(parsed(three_nodes));
    }
}

static void test_lines_count_comments_once(void **state)
{
    char *told =
        refused("# one\n/* two\n three */ // still three\ncluster = demo # four\n\nfoo = 1\n");
    (void)state;
    assert_non_null(strstr(told, "f:6: error: unknown option 'foo'"));
    free(told);
}

static void test_errors_are_bounded(void **state)
{
    char text[8192] = "cluster = demo\n";
    struct config_errors errors;
    struct cluster_config *c = calloc(1, sizeof *c);
    (void)state;
    for (unsigned i = 0; i < 60; i++) {
        size_t used = strlen(text);
        (void)snprintf(text + used, sizeof text - used, "unknown%u = { 1, 2 }\n", i);
    }
    assert_int_equal(config_parse(text, strlen(text), c, &errors), ERR_FORMAT);
    assert_int_equal(errors.n, CONFIG_ERRORS_MAX);
    assert_int_equal(errors.n + errors.n_dropped, errors.n_errors);
    assert_true(errors.n_errors >= 60);
    free(c);
}

static void test_too_many_nodes_and_addresses(void **state)
{
    char text[8192] = "cluster = demo\n";
    char *told;
    (void)state;
    for (unsigned i = 0; i < NODES_MAX + 1; i++) {
        size_t used = strlen(text);
        (void)snprintf(text + used, sizeof text - used,
                       "node n%u { address = 192.0.2.%u role = candidate priority = %u }\n"
                       "virtual_ipaddress \"198.51.100.%u/24\" { device = eth0 }\n",
                       i, i + 1, i + 1, i + 1);
    }
    told = refused(text);
    assert_non_null(strstr(told, "17 nodes; allowed: 3 to 16"));
    assert_non_null(strstr(told, "17 virtual_ipaddress blocks; allowed: 0 to 16"));
    free(told);
}

static void test_files_that_cannot_be_read(void **state)
{
    char path[] = "/tmp/tandem-config-XXXXXX";
    struct config_errors errors;
    struct cluster_config *c = calloc(1, sizeof *c);
    int fd = mkstemp(path);
    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(config_load("/nonexistent/tandem.conf", c, &errors), ERR_NOTFOUND);
    assert_int_equal(errors.n_errors, 1);
    assert_int_equal(config_load("/tmp", c, &errors), ERR_IO);
    assert_int_equal(ftruncate(fd, CONFIG_FILE_MAX + 1), 0);
    assert_int_equal(config_load(path, c, &errors), ERR_FULL);
    assert_int_equal(errors.n_errors, 1);
    (void)close(fd);
    (void)unlink(path);
    free(c);
}

static bool is_warned(const struct config_errors *e, const char *words)
{
    for (unsigned i = 0; i < e->n; i++) {
        if (e->list[i].severity == CONFIG_WARNING && strstr(e->list[i].text, words) != NULL)
            return true;
    }
    return false;
}

static void test_a_server_without_error_log_is_told(void **state)
{
    static const char own[] = "cluster = demo\n"
                              "node m1 { address = 192.0.2.1 role = candidate priority = 2 }\n"
                              "node m2 { address = 192.0.2.2 role = candidate priority = 1\n"
                              "  error_log = \"/var/log/m2\" }\n"
                              "node w { address = 192.0.2.3 role = witness }\n";
    char text[sizeof three_nodes + 100];
    struct cluster_config *c = parsed(three_nodes);
    struct config_errors errors;
    (void)state;
    config_errors_init(&errors);
    config_check_local(c, NODE_NONE, &errors);
    assert_int_equal(errors.n, 1);
    assert_true(is_warned(&errors, "no node has an error_log"));
    assert_true(is_warned(&errors, "instead of failing over"));
    free(c);
    c = parsed(own); /* a witness has no server */
    config_errors_init(&errors);
    config_check_local(c, NODE_NONE, &errors);
    assert_int_equal(errors.n, 1);
    assert_true(is_warned(&errors, "node 'm1' has no error_log"));
    /* One that the server does not write is as good as none; before its first start it is no news.
     */
    config_check_local(c, 1, &errors);
    assert_false(is_warned(&errors, "error_log '/var/log/m2' cannot be read"));
    (void)snprintf(c->nodes[1].mysql.pid_file, PATH_TEXT_MAX, "/proc/self/stat");
    config_check_local(c, 1, &errors);
    assert_true(is_warned(&errors, "error_log '/var/log/m2' cannot be read"));
    free(c);
    (void)snprintf(text, sizeof text, "%smysql { error_log = \"/var/log/%%n\" }\n", three_nodes);
    c = parsed(text);
    config_errors_init(&errors);
    config_check_local(c, NODE_NONE, &errors);
    assert_int_equal(errors.n, 0);
    free(c);
}

static void test_secrets_that_others_can_read_are_told(void **state)
{
    char path[] = "/tmp/tandem-secret-XXXXXX";
    char text[sizeof three_nodes + 300];
    struct cluster_config *c;
    struct config_errors errors;
    int fd = mkstemp(path);
    (void)state;
    assert_true(fd >= 0);
    (void)snprintf(text, sizeof text,
                   "%stls { ca = \"%s\" cert = \"%s\" key = \"%s\" }\n"
                   "mysql { agent_password_file = \"\" replication_password_file = \"%s\"\n"
                   "  error_log = \"%s\" }\n",
                   three_nodes, path, path, path, path, path);
    c = parsed(text);
    config_errors_init(&errors);
    assert_int_equal(fchmod(fd, 0600), 0);
    config_check_local(c, 0, &errors);
    assert_int_equal(errors.n, 0);
    assert_int_equal(fchmod(fd, 0640), 0);
    config_check_local(c, 0, &errors);
    assert_int_equal(errors.n, 0);
    assert_int_equal(fchmod(fd, 0644), 0);
    config_check_local(c, 0, &errors);
    assert_true(is_warned(&errors, "has mode 0644"));
    assert_int_equal(errors.n, 2); /* key and password, not the certificates */
    assert_int_equal(errors.n_errors, 0);
    (void)close(fd);
    (void)unlink(path);
    config_errors_init(&errors);
    config_check_local(c, 0, &errors);
    assert_true(is_warned(&errors, "No such file"));
    free(c);
}

static void test_reference_page_is_fresh(void **state)
{
    char path[4096];
    char *page;
    char *now = written(write_reference, NULL);
    (void)state;
    (void)snprintf(path, sizeof path, "%s/../../../docs/reference/cluster-file.md", data_dir());
    page = read_text(path);
    if (strcmp(page, now) != 0)
        print_error("%s is out of date: tandem config reference > it\n", path);
    assert_string_equal(page, now);
    free(page);
    free(now);
}

static void test_starting_file_is_a_good_file(void **state)
{
    static const struct starter_setting settings[] = {
        {"", "", "cluster", "demo"},
        {"node", "m1", "address", "192.0.2.1"},
        {"node", "m1", "role", "candidate"},
        {"node", "m1", "priority", "2"},
        {"node", "m2", "address", "192.0.2.2"},
        {"node", "m2", "role", "candidate"},
        {"node", "m2", "priority", "1"},
        {"node", "m3", "address", "192.0.2.3"},
        {"virtual_ipaddress", "192.0.2.100/24", "device", "eth0"},
        {"policy", "", "preempt", "false"},
        {"policy", "", "preempt", "true"},
        {"arbiter", "", "voters", "{m1, m2, m3}"},
    };
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    struct cluster_config *c;
    struct cluster_config *plain = parsed(three_nodes);
    (void)state;
    starter_write(settings, sizeof settings / sizeof *settings, out);
    assert_int_equal(fclose(out), 0);
    c = parsed(text);
    /* What it shows as defaults are the defaults, and a later setting wins. */
    assert_int_equal(c->digest, plain->digest);
    free(c);
    free(plain);
    for (char *p = strstr(text, "# "); p != NULL; p = strstr(p + 1, "\n    # ")) {
        /* A default that is no longer a comment must be a value that is taken. */
        char *assign = p + strspn(p, "\n #");
        char *end = assign + strcspn(assign, "\n");
        if (memmem(assign, (size_t)(end - assign), " = ", 3) != NULL && assign[-2] == '#')
            assign[-2] = ' ';
    }
    c = parsed(text);
    free(c);
    free(text);
}

static void check_secret(const char *content, int err, const char *secret)
{
    char path[64], text[9] = "left";
    struct errmsg m = ERRMSG_INIT;
    int fd = memfd_create("secret", MFD_CLOEXEC);
    assert_int_equal(write(fd, content, strlen(content)), strlen(content));
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    assert_int_equal(secret_read(path, text, sizeof text, &m), err);
    assert_string_equal(text, secret);
    (void)close(fd);
}

/* A password that is cut short would be refused by the server, and nobody would see why. */
static void test_secrets_are_read_whole(void **state)
{
    char text[9];
    struct errmsg m = ERRMSG_INIT;
    (void)state;
    check_secret("", 0, "");
    check_secret("\nsecond", 0, "");
    check_secret("12345678", 0, "12345678");
    check_secret("12345678\n", 0, "12345678");
    check_secret("pw\r\nmore than there is room for", 0, "pw");
    check_secret("123456789", ERR_RANGE, "");
    check_secret("123456789\n", ERR_RANGE, "");
    assert_int_equal(secret_read("", text, sizeof text, &m), 0);
    assert_string_equal(text, "");
    assert_int_equal(secret_read("/nonexistent", text, sizeof text, &m), ERR_IO);
    assert_non_null(strstr(m.text, "'/nonexistent' cannot be read: No such file"));
    assert_int_equal(secret_read("/", text, sizeof text, &m), ERR_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files_are_judged_in_the_expected_words),
        cmocka_unit_test(test_values_of_the_reference_topology),
        cmocka_unit_test(test_own_options_and_names_in_paths),
        cmocka_unit_test(test_written_file_reads_back_to_the_same_value),
        cmocka_unit_test(test_values_of_a_virtual_router),
        cmocka_unit_test(test_address_of_clients),
        cmocka_unit_test(test_virtual_routers),
        cmocka_unit_test(test_secrets_are_read_whole),
        cmocka_unit_test(test_digest_is_of_the_meaning),
        cmocka_unit_test(test_profiles_are_those_of_the_arbiter),
        cmocka_unit_test(test_profiles_bound_the_time_to_find_a_hung_server),
        cmocka_unit_test(test_timing_that_is_unsafe_is_refused),
        cmocka_unit_test(test_bounds_of_every_number),
        cmocka_unit_test(test_default_voters),
        cmocka_unit_test(test_a_broken_file_does_not_spoil_the_next),
        cmocka_unit_test(test_lines_count_comments_once),
        cmocka_unit_test(test_errors_are_bounded),
        cmocka_unit_test(test_too_many_nodes_and_addresses),
        cmocka_unit_test(test_files_that_cannot_be_read),
        cmocka_unit_test(test_a_server_without_error_log_is_told),
        cmocka_unit_test(test_secrets_that_others_can_read_are_told),
        cmocka_unit_test(test_reference_page_is_fresh),
        cmocka_unit_test(test_starting_file_is_a_good_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
