/** Ends the run with one line that states how many tests passed and failed. */
export default class TallyReporter {
  onTestRunEnd(modules, unhandledErrors) {
    let passed = 0;
    let failed = unhandledErrors.length;
    for (const module of modules) {
      let failedTests = 0;
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        if (state === 'passed') passed += 1;
        else if (state === 'failed') failedTests += 1;
      }
      // A file that could not be loaded, or whose hooks failed, fails without a failed test.
      failed += failedTests > 0 || module.state() !== 'failed' ? failedTests : 1;
    }
    process.on('exit', () => console.log(`\n${passed} passed, ${failed} failed`));
  }
}
