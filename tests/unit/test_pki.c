/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/peer/pki.h"

struct dir {
    char path[64];
    char files[3][PATH_MAX];
    struct pki_files pki;
    struct errmsg msg;
};

static struct pki_files *use(struct dir *d, const char *ca, const char *cert, const char *key)
{
    (void)snprintf(d->files[0], PATH_MAX, "%s/%s", d->path, ca);
    (void)snprintf(d->files[1], PATH_MAX, "%s/%s", d->path, cert);
    (void)snprintf(d->files[2], PATH_MAX, "%s/%s", d->path, key);
    d->pki = (struct pki_files){d->files[0], d->files[1], d->files[2]};
    return &d->pki;
}

static int setup(void **state)
{
    struct dir *d = calloc(1, sizeof(*d));
    char base[] = "/tmp/tandem-pki-XXXXXX";
    assert_non_null(d);
    assert_non_null(mkdtemp(base));
    (void)snprintf(d->path, sizeof(d->path), "%s/tls", base);
    *state = d;
    return 0;
}

static int teardown(void **state)
{
    static const char *const names[] = {"ca.pem", "ca.key", "m1.pem", "m1.key", "m2.pem", "m2.key"};
    struct dir *d = *state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        (void)unlink(use(d, names[i], "", "")->ca);
    assert_int_equal(rmdir(d->path), 0); /* nothing else was left behind */
    *strrchr(d->path, '/') = '\0';
    assert_int_equal(rmdir(d->path), 0);
    free(d);
    return 0;
}

static void create(struct dir *d)
{
    assert_int_equal(pki_create_ca(d->path, "demo", &d->msg), 0);
    assert_int_equal(pki_create_node(d->path, "demo", "m1", "10.0.0.1", &d->msg), 0);
    assert_int_equal(pki_create_node(d->path, "demo", "m2", "fd00::2", &d->msg), 0);
}

static mode_t mode_of(const char *path)
{
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    return st.st_mode & 07777;
}

static void test_create_and_check(void **state)
{
    struct dir *d = *state;
    struct pki_facts facts;
    create(d);
    assert_int_equal(pki_check(use(d, "ca.pem", "m1.pem", "m1.key"), "demo", "m1", &facts, &d->msg),
                     0);
    assert_in_range(facts.ca_days, PKI_CA_DAYS - 1, PKI_CA_DAYS);
    assert_in_range(facts.cert_days, PKI_NODE_DAYS - 1, PKI_NODE_DAYS);
    assert_int_equal(mode_of(d->pki.ca), 0644);
    assert_int_equal(mode_of(d->pki.cert), 0644);
    assert_int_equal(mode_of(d->pki.key), 0600);
    assert_int_equal(mode_of(use(d, "ca.key", "", "")->ca), 0600);
}

static void test_nothing_is_overwritten(void **state)
{
    struct dir *d = *state;
    create(d);
    assert_int_equal(pki_create_ca(d->path, "demo", &d->msg), ERR_EXISTS);
    assert_non_null(strstr(d->msg.text, "ca.pem"));
    assert_int_equal(pki_create_node(d->path, "demo", "m1", NULL, &d->msg), ERR_EXISTS);
    assert_int_equal(unlink(use(d, "", "m1.pem", "")->cert), 0);
    assert_int_equal(pki_create_node(d->path, "demo", "m1", NULL, &d->msg), 0);
}

static void test_bad_names(void **state)
{
    struct dir *d = *state;
    char longest[65];
    memset(longest, 'x', 64);
    longest[64] = '\0';
    create(d);
    assert_int_equal(pki_create_node(d->path, "demo", "../m3", NULL, &d->msg), ERR_INVAL);
    assert_int_equal(pki_create_node(d->path, "demo", "", NULL, &d->msg), ERR_INVAL);
    assert_int_equal(pki_create_node(d->path, "demo", "ca", NULL, &d->msg), ERR_INVAL);
    assert_int_equal(pki_create_node(d->path, "demo", longest, NULL, &d->msg), ERR_INVAL);
    assert_int_equal(pki_create_node(d->path, "other", "m3", NULL, &d->msg), ERR_AUTH);
    assert_int_equal(pki_create_ca(d->path, longest, &d->msg), ERR_INVAL);
}

static void test_longest_names(void **state)
{
    struct dir *d = *state;
    char cluster[64];
    struct pki_facts facts;
    memset(cluster, 'c', 63);
    cluster[63] = '\0';
    assert_int_equal(pki_create_ca(d->path, cluster, &d->msg), 0);
    assert_int_equal(pki_create_node(d->path, cluster, "m1", "no-literal", &d->msg), 0);
    assert_int_equal(
        pki_check(use(d, "ca.pem", "m1.pem", "m1.key"), cluster, "m1", &facts, &d->msg), 0);
}

static void refused(struct dir *d, const char *cluster, const char *node, int err, const char *word)
{
    struct pki_facts facts;
    assert_int_equal(pki_check(&d->pki, cluster, node, &facts, &d->msg), err);
    if (strstr(d->msg.text, word) == NULL)
        fail_msg("'%s' does not speak of '%s'", d->msg.text, word);
}

static void test_check_refuses(void **state)
{
    struct dir *d = *state;
    create(d);
    (void)use(d, "ca.pem", "m1.pem", "m1.key");
    refused(d, "other", "m1", ERR_AUTH, "m1.pem");
    refused(d, "demo", "m2", ERR_AUTH, "does not name node 'm2'");
    (void)use(d, "ca.pem", "m1.pem", "m2.key");
    refused(d, "demo", "m1", ERR_AUTH, "m2.key");
    (void)use(d, "m2.pem", "m1.pem", "m1.key");
    refused(d, "demo", "m1", ERR_AUTH, "not signed by the CA");
    (void)use(d, "ca.pem", "m3.pem", "m1.key");
    refused(d, "demo", "m1", ERR_NOTFOUND, "m3.pem");
    (void)use(d, "ca.pem", "m1.key", "m1.key");
    refused(d, "demo", "m1", ERR_FORMAT, "not a PEM certificate");
    (void)use(d, "ca.pem", "m1.pem", "m1.key");
    assert_int_equal(chmod(d->pki.key, 0640), 0);
    refused(d, "demo", "m1", ERR_PERM, "chmod 0600");
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_create_and_check), CASE(test_nothing_is_overwritten), CASE(test_bad_names),
        CASE(test_longest_names),    CASE(test_check_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
