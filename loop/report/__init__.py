"""The report: one page that shows a campaign to a colleague (`loop.report.page.render`)."""
