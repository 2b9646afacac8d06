// SPDX-License-Identifier: GPL-2.0-only
/* Does what no module should, so that the tests can see whether anybody notices. */
#include <linux/bug.h>
#include <linux/compiler.h>
#include <linux/init.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/string.h>

static char *how = "";
module_param(how, charp, 0444);
MODULE_PARM_DESC(
	how, "\"null\" writes through a null pointer, \"warn\" warns, \"none\" is well-behaved");

static int __init faulty_init(void)
{
	int *nowhere = NULL;

	OPTIMIZER_HIDE_VAR(nowhere);
	if (!strcmp(how, "null"))
		WRITE_ONCE(*nowhere, 1);
	WARN_ON(!strcmp(how, "warn"));
	return 0;
}

static void __exit faulty_exit(void)
{
}

module_init(faulty_init);
module_exit(faulty_exit);

MODULE_DESCRIPTION("Deliberate kernel faults for the tests of the test harness");
MODULE_LICENSE("GPL");
